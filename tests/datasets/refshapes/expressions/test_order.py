import pytest

from m2ist_mm.datasets.refshapes.expressions.order import Order
from m2ist_mm.datasets.refshapes.noun import Noun


@pytest.mark.parametrize(
    'xs, side, expected',
    [
        ((20, 60, 100), 'left', [1]),
        ((20, 60, 64), 'left', [1, 2]),  # hardly a gap to the third
        ((100, 20, 140, 50), 'right', [0]),
        ((20,), 'left', []),
    ],
)
def test_second_from_a_side_needs_a_gap_to_its_neighbors(
    make_scene, xs, side, expected
):
    scene = make_scene(*((x - 10, 20, 20, 20) for x in xs))
    found = Order(Noun(kind='square'), side, 'second').matches(scene, strict=True)
    assert found == [scene.shapes[i] for i in expected]
