# A small dataset in RefCOCO's layout, at half its resolution. REFCOCO_MINI_ROOT in
# the environment, or --data-root, names another folder.
_base_ = './rec_base.py'
canvas = (320, 320)
data_root = '{{$REFCOCO_MINI_ROOT:data/refcoco_mini/}}'
dataset = dict(
    type='ReferDataset',
    data_root=data_root,
    refs_file='refcoco/refs(unc).p',
    ann_file='refcoco/instances.json',
    data_prefix=dict(img='train2014/'),
)
loader = dict(batch_size=16, num_workers=1)
train_dataloader = dict(dataset=dict(split='train', **dataset), **loader)
val_dataloader = dict(dataset=dict(split='val', **dataset), **loader)
test_dataloader = dict(
    dataset=dict(split=['val', 'testA', 'testB'], **dataset), **loader
)
