import pytest

from m2ist_mm.datasets.refshapes.shape import Shape

SHAPE = Shape('circle', 'red', 'plain', (10, 20, 30, 40))


def test_depth_grows_with_the_distance_from_a_side():
    depths = [SHAPE.depth(side) for side in ('left', 'right', 'top', 'bottom')]
    assert depths == [25, -25, 40, -40]


def test_gaps_are_between_the_boxes_and_negative_where_they_overlap():
    other = Shape('star', 'red', 'plain', (45, 30, 10, 10))
    assert SHAPE.gaps(other) == other.gaps(SHAPE) == (5, -20)


@pytest.mark.parametrize(
    'side, unit, small, big',
    [
        (22, 1, (True, True), (False, False)),
        (27, 1, (False, True), (False, False)),
        (28, 1, (False, False), (False, False)),
        (31, 1, (False, False), (False, True)),
        (36, 1, (False, False), (True, True)),
        (44, 2, (True, True), (False, False)),
    ],
)
def test_size_is_by_the_longer_side_with_a_doubtful_range(side, unit, small, big):
    shape = Shape('star', 'red', 'plain', (0, 0, 10, side))
    for size, expected in (('small', small), ('big', big)):
        read = tuple(shape.is_of_size(size, unit, strict) for strict in (True, False))
        assert read == expected
