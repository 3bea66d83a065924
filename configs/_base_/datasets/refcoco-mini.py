# A small data set in RefCOCO's layout, at half its resolution. REFCOCO_MINI_ROOT in
# the environment, or --data-root, names another folder.
dataset_type = 'ReferDataset'
data_root = '{{$REFCOCO_MINI_ROOT:data/refcoco_mini/}}'
canvas = (320, 320)

load_image = dict(type='LoadImageFromFile', imdecode_backend='pillow')
# RefCOCO's pipeline with all lengths halved
train_pipeline = [
    load_image,
    dict(type='LoadAnnotations', with_bbox=True),
    dict(
        type='ApplyUnlessDirection',
        prob=0.5,
        transforms=[
            dict(
                type='RandomChoiceResize',
                scales=[200, 250, 300],
                resize_type='ResizeShortestEdge',
            ),
            dict(type='ReferentCrop', min_size=192, max_size=300),
        ],
    ),
    dict(
        type='RandomChoiceResize',
        scales=[(side, side) for side in range(224, 321, 16)],
        resize_type='Resize',
        keep_ratio=True,
    ),
    dict(
        type='RandomApply',
        prob=0.8,
        transforms=[dict(type='ColorJitter', strength=0.4)],
    ),
    dict(type='RECRandomFlip', prob=0.5),
    dict(type='PadToCanvas', size=canvas, position='random'),
    dict(type='PackRECInputs'),
]
test_pipeline = [
    load_image,
    dict(type='Resize', scale=canvas, keep_ratio=True),
    dict(type='PadToCanvas', size=canvas, position='center'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='PackRECInputs'),
]

train_dataset = dict(
    type=dataset_type,
    data_root=data_root,
    refs_file='refcoco/refs(unc).p',
    ann_file='refcoco/instances.json',
    data_prefix=dict(img='train2014/'),
    split='train',
    pipeline=train_pipeline,
)
val_dataset, test_a_dataset, test_b_dataset = (
    {**train_dataset, 'split': split, 'pipeline': test_pipeline, 'test_mode': True}
    for split in ('val', 'testA', 'testB')
)

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
