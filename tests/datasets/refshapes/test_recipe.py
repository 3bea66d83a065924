import json

import pytest

from m2ist_mm.datasets.refshapes import Recipe


@pytest.mark.parametrize(
    'parameter, value',
    [
        ('seed', -1),
        ('train_images', 0),
        ('val_images', -5),
        ('test_images', 0),
        ('image_size', 32),
        ('image_size', 1025),
        ('expressions_per_object', 0),
    ],
)
def test_parameters_out_of_range_are_named(parameter, value):
    with pytest.raises(ValueError, match=f'{parameter} is {value}: give'):
        Recipe(**{parameter: value})


def test_json_holds_all_parameters_and_the_held_out_combinations():
    content = json.loads(Recipe(seed=7, image_size=96).to_json())
    assert content == {
        'version': 2,
        'seed': 7,
        'train_images': 3000,
        'val_images': 250,
        'test_images': 150,
        'image_size': 96,
        'expressions_per_object': 4,
        'held_out': [
            'blue star',
            'green circle',
            'orange cross',
            'purple square',
            'red ring',
            'white triangle',
        ],
    }


def test_both_test_splits_have_the_same_number_of_images():
    recipe = Recipe(train_images=1, val_images=2, test_images=3)
    splits = ('train', 'val', 'testA', 'testB')
    assert [recipe.num_images(split) for split in splits] == [1, 2, 3, 3]
