import numpy as np
import pytest
from mmcv.transforms import BaseTransform, Compose, Resize
from mmdet.registry import TRANSFORMS

from m2ist_mm.datasets.transforms import fixed_views, is_deterministic


class Darken(BaseTransform):
    """A user's own transform."""

    def transform(self, results):
        return dict(results, img=results['img'] // 2)


class DeclaredDarken(Darken):
    deterministic = True


class OwnResize(Resize):
    pass


TEST_STEPS = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(64, 64), keep_ratio=True),
    dict(type='PadToCanvas', size=(64, 64), position='center'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='PackRECInputs'),
]
FLIP = dict(type='RECRandomFlip', prob=0.5)


def build(*steps):
    return [
        TRANSFORMS.build(step) if isinstance(step, dict) else step for step in steps
    ]


def test_deterministic_pipeline_has_one_view():
    steps = build(*TEST_STEPS)
    (view,) = fixed_views(steps)
    assert view.transforms == steps


def test_flip_makes_two_views_and_the_pipeline_stays_as_it_is():
    flip = build(FLIP)[0]
    plain, mirrored = fixed_views([flip, DeclaredDarken()])
    img = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    results = dict(img=img, text=['left'])
    for _ in range(5):
        assert plain(dict(results))['text'] == ['left']
        assert np.array_equal(mirrored(dict(results))['img'], img[:, ::-1] // 2)
    assert flip.prob == 0.5
    assert len(fixed_views(build(FLIP, FLIP))) == 4


@pytest.mark.parametrize('prob', [0, 1])
def test_flip_that_is_certain_has_one_view(prob):
    (flip,) = build(dict(FLIP, prob=prob))
    (view,) = fixed_views([flip])
    assert view.transforms == [flip]


@pytest.mark.parametrize(
    'step',
    [
        dict(type='PadToCanvas', size=(64, 64), position='random'),
        dict(type='ColorJitter'),
        dict(type='ReferentCrop'),
        dict(type='RandomApply', transforms=[dict(type='ColorJitter')]),
        dict(type='RandomFlip', prob=0.5),
        Darken(),
        OwnResize(scale=(8, 8)),
        Compose([Darken()]),
    ],
)
def test_step_that_declares_nothing_is_named(step):
    (step,) = build(step)
    assert not is_deterministic(step)
    with pytest.raises(ValueError) as error:
        fixed_views([*build(*TEST_STEPS), step])
    assert str(step) in str(error.value)
    assert 'deterministic = True' in str(error.value)


def test_own_transform_that_declares_it_is_accepted():
    assert len(fixed_views(build(*TEST_STEPS[:2], DeclaredDarken()))) == 1
