import pytest

from m2ist_mm.datasets.refshapes.expressions.superlative import Superlative
from m2ist_mm.datasets.refshapes.noun import Noun


@pytest.mark.parametrize(
    'boxes, expected',
    [
        ([(30, 20, 20, 20), (50, 60, 20, 20)], [0]),
        ([(30, 20, 20, 20), (33, 60, 20, 20)], [0, 1]),
        ([(40, 20, 10, 10), (20, 60, 60, 60)], [0, 1]),  # center and edge disagree
        ([], []),
    ],
)
def test_leftmost_is_by_center_and_edge_with_a_clear_lead(make_scene, boxes, expected):
    scene = make_scene(*boxes)
    found = Superlative(Noun(kind='square'), 'left').matches(scene, strict=True)
    assert found == [scene.shapes[i] for i in expected]


@pytest.mark.parametrize(
    'noun, sides, expected',
    [
        (Noun(kind='square'), (20, 30, 40), 1),
        (Noun(kind='square'), (20, 37, 40), 2),
        (Noun(), (20, 31, 40), 2),  # 1.66 times the area, across kinds
    ],
)
def test_biggest_needs_a_clear_lead(make_scene, noun, sides, expected):
    scene = make_scene(*((10 + 50 * i, 10, s, s) for i, s in enumerate(sides)))
    assert len(Superlative(noun, 'biggest').matches(scene, strict=True)) == expected
    smallest = Superlative(noun, 'smallest').matches(scene, strict=True)
    assert smallest == [scene.shapes[0]]
