# RefShapes, drawn by tools/dataset_converters/make_refshapes.py: pictures of 160x160
# pixels in RefCOCO's layout. REFSHAPES_ROOT in the environment, or --data-root, names
# another folder.
dataset_type = 'ReferDataset'
data_root = '{{$REFSHAPES_ROOT:data/refshapes/}}'
canvas = (160, 160)

load_image = dict(type='LoadImageFromFile', imdecode_backend='pillow')
# No crop and no resize: the expressions speak of places and sizes.
train_pipeline = [
    load_image,
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='RECRandomFlip', prob=0.5),
    dict(type='PadToCanvas', size=canvas, position='random'),
    dict(type='PackRECInputs'),
]
test_pipeline = [
    load_image,
    dict(type='PadToCanvas', size=canvas, position='center'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='PackRECInputs'),
]

train_dataset = dict(
    type=dataset_type,
    data_root=data_root,
    refs_file='refshapes/refs(unc).p',
    ann_file='refshapes/instances.json',
    data_prefix=dict(img='train2014/'),
    split='train',
    # A picture goes through the vision tower once for its expressions.
    max_expressions_per_sample=4,
    pipeline=train_pipeline,
)
val_dataset, test_a_dataset, test_b_dataset = (
    {**train_dataset, 'split': split, 'pipeline': test_pipeline, 'test_mode': True}
    for split in ('val', 'testA', 'testB')
)

# On one process: 16 pictures, at most 64 expressions.
train_dataloader = dict(
    batch_size=16,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=train_dataset,
)
val_dataloader = dict(
    batch_size=16,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=val_dataset,
)
test_dataloader = dict(
    batch_size=16,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='ConcatDataset', datasets=[val_dataset, test_a_dataset, test_b_dataset]
    ),
)
val_evaluator = dict(type='RECMetric')
test_evaluator = dict(type='RECMetric')
