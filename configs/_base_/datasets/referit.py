# ReferItGame: TransVG's lists, whose boxes are xyxy, and the images of SAIAPR TC-12.
# REFERIT_ROOT in the environment, or --data-root, names another folder.
_base_ = './rec_base.py'
data_root = '{{$REFERIT_ROOT:data/referit/}}'
dataset = dict(
    type='RECFileDataset',
    file_format='transvg',
    bbox_form='xyxy',
    name='referit',
    data_root=data_root,
    ann_file='referit_{split}.pth',
    data_prefix=dict(img='images/'),
    expected_count='referit_berkeley',
)
train_dataloader = dict(dataset=dict(split='train', **dataset))
val_dataloader = dict(dataset=dict(split='val', **dataset))
test_dataloader = dict(dataset=dict(split=['val', 'test'], **dataset))
