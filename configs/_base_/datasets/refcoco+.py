# RefCOCO+ (unc), expressions without places: layout and folder of refcoco.py.
_base_ = './rec_base.py'
data_root = '{{$REFCOCO_ROOT:data/coco/}}'
dataset = dict(
    type='ReferDataset',
    name='refcoco+',
    data_root=data_root,
    refs_file='refcoco+/refs(unc).p',
    ann_file='refcoco+/instances.json',
    data_prefix=dict(img='train2014/'),
    expected_count='refcoco+_unc',
)
train_dataloader = dict(dataset=dict(split='train', **dataset))
val_dataloader = dict(dataset=dict(split='val', **dataset))
test_dataloader = dict(dataset=dict(split=['val', 'testA', 'testB'], **dataset))
