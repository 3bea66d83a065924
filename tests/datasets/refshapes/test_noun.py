import pytest

from m2ist_mm.datasets.refshapes.noun import Noun
from m2ist_mm.datasets.refshapes.random_source import Random
from m2ist_mm.datasets.refshapes.scene import Scene
from m2ist_mm.datasets.refshapes.shape import Shape

SMALL = Shape('circle', 'red', 'plain', (10, 10, 20, 20))
MIDDLING = Shape('circle', 'blue', 'striped', (50, 50, 30, 30))
BIG = Shape('star', 'red', 'dotted', (90, 90, 40, 40))
SCENE = Scene(160, (SMALL, MIDDLING, BIG))


@pytest.mark.parametrize(
    'noun, expected',
    [
        (Noun(), [SMALL, MIDDLING, BIG]),
        (Noun(kind='circle'), [SMALL, MIDDLING]),
        (Noun(color='red'), [SMALL, BIG]),
        (Noun(kind='circle', texture='striped'), [MIDDLING]),
        (Noun(size='small'), [SMALL]),
        (Noun(size='big', color='blue'), []),
    ],
)
def test_noun_finds_the_shapes_with_its_attributes(noun, expected):
    assert noun.find(SCENE, strict=True) == expected


def test_sampled_noun_is_true_of_the_shape_or_none():
    rng = Random([0])
    for shape, size in ((SMALL, 'small'), (MIDDLING, None), (BIG, 'big')):
        noun = Noun.sample(shape, SCENE, {('size', 'kind'): 1}, rng)
        assert noun == (Noun(kind=shape.kind, size=size) if size else None)
    noun = Noun.sample(BIG, SCENE, {('texture', 'color'): 1}, rng)
    assert noun == Noun(color='red', texture='dotted')


def test_plain_and_sizes_are_worth_saying_only_where_they_tell_shapes_apart():
    assert Noun(kind='circle', texture='plain').is_worth_saying(SCENE)
    assert not Noun(kind='circle', color='red', texture='plain').is_worth_saying(SCENE)
    assert Noun(color='red', size='big').is_worth_saying(SCENE)
    assert not Noun(kind='star', size='big').is_worth_saying(SCENE)
    assert Noun(kind='star', texture='dotted').is_worth_saying(SCENE)


def test_words_name_every_attribute():
    noun = Noun('star', 'red', 'dotted', 'big')
    rng = Random([0])
    assert {noun.say(rng) for _ in range(50)} == {
        f'{size} {rest}'
        for size in ('big', 'large')
        for rest in ('dotted red star', 'red star with dots')
    }
    assert {Noun(color='red').say(rng) for _ in range(50)} == {
        'red thing',
        'red object',
        'red shape',
    }
    assert 'with' not in ''.join(noun.say(rng, may_trail=False) for _ in range(50))
