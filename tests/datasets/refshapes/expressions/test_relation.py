import pytest

from m2ist_mm.datasets.refshapes.expressions.relation import Relation
from m2ist_mm.datasets.refshapes.noun import Noun

SQUARE, STAR, RING = (Noun(kind=kind) for kind in ('square', 'star', 'ring'))


@pytest.mark.parametrize(
    'box, strict, wide',
    [
        ((20, 70, 20, 20), True, True),
        ((20, 130, 20, 20), False, True),  # farther below than left
        ((66, 100, 20, 20), False, True),
        ((100, 70, 20, 20), False, False),
    ],
)
def test_left_of_is_doubtful_off_the_straight(make_scene, box, strict, wide):
    scene = make_scene(box, (70, 70, 20, 20), kinds=('square', 'star'))
    relation = Relation(SQUARE, 'left', (STAR,))
    assert bool(relation.matches(scene, strict=True)) == strict
    assert bool(relation.matches(scene, strict=False)) == wide


@pytest.mark.parametrize('second, expected', [(60, [0]), (37, [0, 1])])
def test_closest_needs_a_clear_lead(make_scene, second, expected):
    boxes = (40, 10, 10, 10), (70 + second, 10, 10, 10), (70, 10, 10, 10)
    scene = make_scene(*boxes, kinds=('square', 'square', 'star'))
    found = Relation(SQUARE, 'closest', (STAR,)).matches(scene, strict=True)
    assert found == [scene.shapes[i] for i in expected]


@pytest.mark.parametrize(
    'center, strict, wide',
    [
        ((80, 80), True, True),
        ((80, 110), False, True),  # aside
        ((35, 80), False, True),  # close to one of them
        ((80, 140), False, False),
        ((5, 80), False, False),  # beyond
    ],
)
def test_between_is_near_the_line_from_one_to_the_other(
    make_scene, center, strict, wide
):
    boxes = ((x - 5, y - 5, 10, 10) for x, y in (center, (20, 80), (140, 80)))
    scene = make_scene(*boxes, kinds=('square', 'star', 'ring'))
    relation = Relation(SQUARE, 'between', (STAR, RING))
    assert bool(relation.matches(scene, strict=True)) == strict
    assert bool(relation.matches(scene, strict=False)) == wide


def test_anchor_that_names_two_shapes_relates_to_nothing(make_scene):
    boxes = (20, 70, 20, 20), (70, 70, 20, 20), (120, 70, 20, 20)
    scene = make_scene(*boxes, kinds=('square', 'star', 'star'))
    assert Relation(SQUARE, 'left', (STAR,)).matches(scene, strict=False) == []
