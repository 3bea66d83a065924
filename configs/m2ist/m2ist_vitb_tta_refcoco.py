# tools/test.py --tta: two sizes, each with its mirror image
_base_ = './m2ist_vitb_refcoco.py'
tta_model = dict(type='RECTTAModel')
canvas = _base_.canvas
tta_pipeline = [
    dict(type='LoadRECImage'),
    dict(
        type='TestTimeAug',
        transforms=[
            [
                dict(type='ResizeToFit', scale=scale)
                for scale in (canvas[::-1], (384, 384))
            ],
            [dict(type='RECRandomFlip', prob=prob) for prob in (0, 1)],
            [dict(type='PadToCanvas', size=canvas[::-1], position='center')],
            [dict(type='LoadAnnotations', with_bbox=True)],
            [dict(type='PackRECInputs')],
        ],
    ),
]
