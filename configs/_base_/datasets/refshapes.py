# RefShapes, drawn by tools/dataset_converters/make_refshapes.py: images of 160x160
# pixels in RefCOCO's layout. REFSHAPES_ROOT in the environment, or --data-root, names
# another folder.
_base_ = './rec_base.py'
data_root = '{{$REFSHAPES_ROOT:data/refshapes/}}'
canvas = (160, 160)

load_image = dict(type='LoadRECImage')
# No crop and no resize: the expressions speak of places and sizes. All images are of
# the canvas' size.
train_pipeline = [
    load_image,
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='RECRandomFlip', prob=0.5),
    dict(type='PadToCanvas', size=canvas[::-1], position='center'),
    dict(type='PackRECInputs'),
]
test_pipeline = [
    load_image,
    dict(type='PadToCanvas', size=canvas[::-1], position='center'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='PackRECInputs'),
]
dataset = dict(
    type='ReferDataset',
    data_root=data_root,
    refs_file='refshapes/refs(unc).p',
    ann_file='refshapes/instances.json',
    data_prefix=dict(img='train2014/'),
    # An image goes through the vision tower once for its expressions.
    max_expressions_per_sample=4,
)
# On one process: 16 images, at most 64 expressions.
loader = dict(batch_size=16, num_workers=1)
train_dataloader = dict(
    dataset=dict(split='train', pipeline=train_pipeline, **dataset), **loader
)
val_dataloader = dict(
    dataset=dict(split='val', pipeline=test_pipeline, **dataset), **loader
)
test_dataloader = dict(
    dataset=dict(split=['val', 'testA', 'testB'], pipeline=test_pipeline, **dataset),
    **loader,
)
