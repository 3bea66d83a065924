# The part of Flickr30k Entities whose images are Flickr8k's too: phrases of captions, a
# row each, in the format 'rows'. 750 images of train are 'dev', where choices are made.
# tools/misc/prepare_flickr30k.py makes expressions.jsonl from the public release.
# FLICKR30K_PART_ROOT in the environment, or --data-root, names another folder.
_base_ = './rec_base.py'
data_root = '{{$FLICKR30K_PART_ROOT:data/flickr30k_part/}}'
canvas = (288, 288)  # the long side of the images of the figures

load_image = dict(type='LoadRECImage')
load_boxes = dict(type='LoadAnnotations', with_bbox=True)
place = [
    dict(type='ResizeToFit', scale=canvas[::-1]),
    dict(type='PadToCanvas', size=canvas[::-1], position='center'),
]
train_pipeline = [load_image, load_boxes, *place, dict(type='PackRECInputs')]
test_pipeline = [load_image, *place, load_boxes, dict(type='PackRECInputs')]
dataset = dict(
    type='RECFileDataset',
    file_format='rows',
    name='flickr30k-part',
    data_root=data_root,
    ann_file='expressions.jsonl',
    carve=dict(dev=dict(source='train', images=750, seed=0)),
    # An image goes through the vision tower once for its expressions.
    max_expressions_per_sample=16,
)
loader = dict(batch_size=8, num_workers=1)
train_dataloader = dict(
    dataset=dict(split='train', pipeline=train_pipeline, **dataset), **loader
)
val_dataloader = dict(
    dataset=dict(split='dev', pipeline=test_pipeline, **dataset), **loader
)
test_dataloader = dict(
    dataset=dict(split='val', pipeline=test_pipeline, **dataset), **loader
)
