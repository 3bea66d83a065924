# What all datasets share: pipelines, data loaders and metric. A dataset adds to the
# loaders what it is.

# Height and width of the model's input. Whatever config states another one, or
# --cfg-options canvas="(448,448)", all lengths below are scaled with it.
canvas = (640, 640)

load_image = dict(type='LoadRECImage')
# arXiv 2407.01131 and 2104.08541. The ground truth is loaded first, so that its boxes
# move with the image: losses need them in pixels of the canvas.
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
        resize_type='ResizeToFit',
    ),
    dict(
        type='RandomApply',
        prob=0.8,
        transforms=[dict(type='ColorJitter', strength=0.4)],
    ),
    dict(type='RECRandomFlip', prob=0.5),
    dict(type='PadToCanvas', size=canvas[::-1], position='random'),
    dict(type='PackRECInputs'),
]
# The ground truth is loaded last, so that it stays in pixels of the original image:
# metrics need it there. The other order is refused in both pipelines.
test_pipeline = [
    load_image,
    dict(type='ResizeToFit', scale=canvas[::-1]),
    dict(type='PadToCanvas', size=canvas[::-1], position='center'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='PackRECInputs'),
]

# 64 on one GPU; on several, divide it by their number.
train_dataloader = dict(
    batch_size=64,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(pipeline=train_pipeline),
)
val_dataloader = dict(
    batch_size=64,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(pipeline=test_pipeline, test_mode=True),
)
# One test reports all its splits: rec/val/P@0.5, rec/testA/P@0.5, ...
test_dataloader = val_dataloader
val_evaluator = dict(type='RECMetric')
test_evaluator = dict(type='RECMetric')
