# RefCOCOg as split by Google, which published no test split, and whose train and val
# share images: layout and folder of refcoco.py.
_base_ = './rec_base.py'
data_root = '{{$REFCOCO_ROOT:data/coco/}}'
dataset = dict(
    type='ReferDataset',
    name='refcocog-google',
    data_root=data_root,
    refs_file='refcocog/refs(google).p',
    ann_file='refcocog/instances.json',
    data_prefix=dict(img='train2014/'),
    expected_count='refcocog_google',
)
train_dataloader = dict(dataset=dict(split='train', **dataset))
val_dataloader = dict(dataset=dict(split='val', **dataset))
test_dataloader = dict(dataset=dict(split='val', **dataset))
