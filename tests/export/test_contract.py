import pytest
from mmdet.registry import TRANSFORMS

from m2ist_mm.config import iter_dataset_configs, load_config_file
from m2ist_mm.export import read_placement

CANVAS = (128, 96)


def steps(*changes, **resize):
    """Test pipeline after the image is read, with some steps replaced."""
    configs = [
        dict(type='ResizeToFit', scale=CANVAS[::-1], **resize),
        dict(type='PadToCanvas', size=CANVAS[::-1], position='center'),
        dict(type='PackRECInputs'),
    ]
    for index, change in changes:
        configs[index] = change
    return [TRANSFORMS.build(one) for one in configs if one is not None]


def test_placement_is_read_from_the_pipeline():
    placement = read_placement(steps(), CANVAS)
    assert placement['resize'] == [96, 128]
    assert placement['canvas'] == [128, 96]
    assert placement['position'] == 'center'
    assert read_placement(steps((0, None)), CANVAS)['resize'] is None


@pytest.mark.parametrize(
    'pipeline',
    [
        steps(interpolation='area'),
        steps(backend='pillow'),
        steps((0, dict(type='Resize', scale=(96, 128), keep_ratio=True))),
        steps((1, dict(type='PadToCanvas', size=(96, 128), position='random'))),
        steps((1, dict(type='PadToCanvas', size=(128, 96)))),
        steps((1, None)),
        steps((2, dict(type='PackDetInputs'))),
        steps((0, dict(type='RECRandomFlip', prob=0.5))),
    ],
)
def test_pipeline_that_predict_cannot_follow_is_refused(pipeline):
    with pytest.raises(ValueError, match='cannot be exported: .* may only ResizeToFit'):
        read_placement(pipeline, CANVAS)


@pytest.mark.parametrize('name', ['m2ist_r50', 'm2ist_vitb', 'm2ist_vitb-clip'])
def test_pipelines_of_our_configs_can_be_exported(name):
    config = load_config_file(f'configs/m2ist/{name}_refcoco.py')
    (test,) = (one for loader, one in iter_dataset_configs(config) if loader == 'test')
    pipeline = [
        TRANSFORMS.build(step)
        for step in test.pipeline
        if not step['type'].startswith('Load')
    ]
    canvas = tuple(config.canvas)
    assert read_placement(pipeline, canvas)['resize'] == list(canvas[::-1])
