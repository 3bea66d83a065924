# RefCOCOg as split by UMD, long expressions: layout and folder of refcoco.py.
_base_ = './rec_base.py'
data_root = '{{$REFCOCO_ROOT:data/coco/}}'
dataset = dict(
    type='ReferDataset',
    name='refcocog-umd',
    data_root=data_root,
    refs_file='refcocog/refs(umd).p',
    ann_file='refcocog/instances.json',
    data_prefix=dict(img='train2014/'),
    expected_count='refcocog_umd',
)
train_dataloader = dict(dataset=dict(split='train', **dataset))
val_dataloader = dict(dataset=dict(split='val', **dataset))
test_dataloader = dict(dataset=dict(split=['val', 'test'], **dataset))
