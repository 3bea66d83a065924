import pytest
from mmengine.dataset import Compose

from m2ist_mm.datasets.grouping import group_expressions, spares_directions

CROP = dict(
    type='ApplyUnlessDirection',
    transforms=[dict(type='ReferentCrop', min_size=20, max_size=30)],
)
FLIP = dict(type='RECRandomFlip')
PIPELINES = {
    'top': [FLIP, CROP],
    'random_apply': [dict(type='RandomApply', transforms=[FLIP, CROP])],
    'random_choice': [dict(type='RandomChoice', transforms=[[FLIP], [FLIP, CROP]])],
    'nested': [
        dict(
            type='RandomChoice',
            transforms=[
                [FLIP],
                [
                    dict(
                        type='RandomApply',
                        transforms=[dict(type='RandomApply', transforms=[CROP])],
                    )
                ],
            ],
        )
    ],
    'mapper': [
        dict(
            type='TransformBroadcaster',
            mapping=dict(img=['img']),
            transforms=[CROP],
        )
    ],
}


@pytest.mark.parametrize('name', PIPELINES)
def test_crop_is_found_at_any_depth(name):
    assert spares_directions(Compose(PIPELINES[name]))


def test_other_wrappers_are_no_crop():
    steps = [dict(type='RandomApply', transforms=[FLIP]), *CROP['transforms']]
    assert not spares_directions(Compose(steps))


def expression(text, bbox, **kwargs):
    return dict(text=text, bbox=bbox, split='train', img_path='a.jpg', **kwargs)


EXPRESSIONS = [
    expression('left dog', [0, 0, 5, 5]),
    expression('dog', [0, 0, 5, 5]),
    expression('brown one', [0, 0, 5, 5]),
    expression('cat', [9, 9, 20, 20]),
    expression('upper cat at the right', [9, 9, 20, 20]),
]


def texts(groups):
    return sorted(sorted(member['text'] for member in group) for group in groups)


def test_expressions_of_an_image_go_together():
    assert [len(g) for g in group_expressions(EXPRESSIONS, 3, 0, crops=False)] == [3, 2]


def test_where_crops_are_they_go_together_if_cropped_alike():
    assert texts(group_expressions(EXPRESSIONS, 8, 0, crops=True)) == [
        ['brown one', 'dog'],
        ['cat'],
        ['left dog', 'upper cat at the right'],
    ]


@pytest.mark.parametrize('key', ['split', 'img_path', 'dataset'])
def test_splits_images_and_datasets_stay_apart(key):
    other = {**EXPRESSIONS[1], key: 'other'}
    groups = group_expressions([EXPRESSIONS[0], other], 8, 0, crops=False)
    assert [len(group) for group in groups] == [1, 1]


def test_groups_of_one_keep_the_order():
    groups = group_expressions(EXPRESSIONS, 1, 0, crops=True)
    assert groups == [[expression] for expression in EXPRESSIONS]


def test_arguments_are_left_alone_and_seeds_differ():
    before = [dict(e) for e in EXPRESSIONS]
    drawn = {
        str(group_expressions(EXPRESSIONS, 2, seed, crops=False)) for seed in range(6)
    }
    assert len(drawn) > 1
    assert before == EXPRESSIONS
