# Flickr30k Entities: TransVG's lists, whose boxes are xyxy, and the images of
# Flickr30k. FLICKR30K_ROOT in the environment, or --data-root, names another folder.
_base_ = './rec_base.py'
data_root = '{{$FLICKR30K_ROOT:data/flickr30k/}}'
dataset = dict(
    type='RECFileDataset',
    file_format='transvg',
    bbox_form='xyxy',
    name='flickr30k',
    data_root=data_root,
    ann_file='flickr_{split}.pth',
    data_prefix=dict(img='flickr30k-images/'),
    expected_count='flickr30k',
)
train_dataloader = dict(dataset=dict(split='train', **dataset))
val_dataloader = dict(dataset=dict(split='val', **dataset))
test_dataloader = dict(dataset=dict(split=['val', 'test'], **dataset))
