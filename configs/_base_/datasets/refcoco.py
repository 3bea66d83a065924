# RefCOCO (unc): refs(unc).p and instances.json in REFER's layout, COCO's train2014.
# REFCOCO_ROOT in the environment, or --data-root, names another folder.
dataset_type = 'ReferDataset'
data_root = '{{$REFCOCO_ROOT:data/coco/}}'
canvas = (640, 640)

# Pillow refuses truncated files; OpenCV before 5.0 fills them up with grey.
load_image = dict(type='LoadImageFromFile', imdecode_backend='pillow')
# arXiv 2407.01131, as arXiv 2104.08541
train_pipeline = [
    load_image,
    dict(type='LoadAnnotations', with_bbox=True),
    dict(
        type='ApplyUnlessDirection',
        prob=0.5,
        transforms=[
            dict(
                type='RandomChoiceResize',
                scales=[400, 500, 600],
                resize_type='ResizeShortestEdge',
            ),
            dict(type='ReferentCrop', min_size=384, max_size=600),
        ],
    ),
    dict(
        type='RandomChoiceResize',
        scales=[(side, side) for side in range(448, 641, 32)],
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
# The truth is loaded last, so that it stays in pixels of the original picture.
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
    expected_count='refcoco_unc',
    pipeline=train_pipeline,
)
val_dataset, test_a_dataset, test_b_dataset = (
    {**train_dataset, 'split': split, 'pipeline': test_pipeline, 'test_mode': True}
    for split in ('val', 'testA', 'testB')
)

# 64 on one GPU; on several, divide it by their number.
train_dataloader = dict(
    batch_size=64,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=train_dataset,
)
val_dataloader = dict(
    batch_size=64,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=val_dataset,
)
# One test reports all three splits: rec/val/P@0.5, rec/testA/P@0.5, ...
test_dataloader = dict(
    batch_size=64,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='ConcatDataset', datasets=[val_dataset, test_a_dataset, test_b_dataset]
    ),
)
val_evaluator = dict(type='RECMetric')
test_evaluator = dict(type='RECMetric')
