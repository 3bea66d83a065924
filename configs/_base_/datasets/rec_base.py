# What all datasets share: pipelines, data loaders and metric. A dataset adds to the
# loaders what it is; the canvas is the model's input size.


def _canvas(length):
    """Pipelines of arXiv 2407.01131 and 2104.08541, all lengths scaled from 640."""

    def scaled(*lengths):
        return [round(pixels * length / 640) for pixels in lengths]

    size = (length, length)
    min_crop, max_crop = scaled(384, 600)
    load_image = dict(type='LoadRECImage')
    train = [
        load_image,
        dict(type='LoadAnnotations', with_bbox=True),
        dict(
            type='ApplyUnlessDirection',
            prob=0.5,
            transforms=[
                dict(
                    type='RandomChoiceResize',
                    scales=scaled(400, 500, 600),
                    resize_type='ResizeShortestEdge',
                ),
                dict(type='ReferentCrop', min_size=min_crop, max_size=max_crop),
            ],
        ),
        dict(
            type='RandomChoiceResize',
            scales=[(side, side) for side in scaled(*range(448, 641, 32))],
            resize_type='Resize',
            keep_ratio=True,
        ),
        dict(
            type='RandomApply',
            prob=0.8,
            transforms=[dict(type='ColorJitter', strength=0.4)],
        ),
        dict(type='RECRandomFlip', prob=0.5),
        dict(type='PadToCanvas', size=size, position='random'),
        dict(type='PackRECInputs'),
    ]
    # The truth is loaded last, so that it stays in pixels of the original image.
    test = [
        load_image,
        dict(type='Resize', scale=size, keep_ratio=True),
        dict(type='PadToCanvas', size=size, position='center'),
        dict(type='LoadAnnotations', with_bbox=True),
        dict(type='PackRECInputs'),
    ]
    return dict(train=train, test=test)


canvas_640, canvas_448, canvas_320 = map(_canvas, (640, 448, 320))

# 64 on one GPU; on several, divide it by their number.
train_dataloader = dict(
    batch_size=64,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(pipeline=canvas_640['train']),
)
val_dataloader = dict(
    batch_size=64,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(pipeline=canvas_640['test'], test_mode=True),
)
# One test reports all its splits: rec/val/P@0.5, rec/testA/P@0.5, ...
test_dataloader = val_dataloader
val_evaluator = dict(type='RECMetric')
test_evaluator = dict(type='RECMetric')
