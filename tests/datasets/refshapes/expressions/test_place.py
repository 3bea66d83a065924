import pytest

from m2ist_mm.datasets.refshapes.expressions.place import Place
from m2ist_mm.datasets.refshapes.noun import Noun


@pytest.mark.parametrize(
    'xs, strict, wide',
    [
        ((40, 120), [0], [0]),
        ((40, 85), [0], [0, 1]),  # the other is nearly in the middle
        ((75, 120), [], [0]),
    ],
)
def test_shapes_near_the_middle_are_doubtfully_on_the_left(
    make_scene, xs, strict, wide
):
    scene = make_scene(*((x - 10, 20 + 40 * i, 20, 20) for i, x in enumerate(xs)))
    place = Place(Noun(kind='square'), 'left')
    assert place.matches(scene, strict=True) == [scene.shapes[i] for i in strict]
    assert place.matches(scene, strict=False) == [scene.shapes[i] for i in wide]
    safe = [place.names_only(scene, shape) for shape in scene.shapes]
    assert any(safe) == (strict == wide)


def test_corners_need_both_sides_and_the_middle_is_small(make_scene):
    scene = make_scene((5, 5, 20, 20), (5, 100, 20, 20), (70, 70, 20, 20))
    places = ('top left', 'bottom left', 'middle')
    for place, shape in zip(places, scene.shapes, strict=True):
        assert Place(Noun(), place).matches(scene, strict=True) == [shape]
