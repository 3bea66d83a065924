import numpy as np
import pytest

from m2ist_mm.evaluation import bootstrap, bootstrap_interval


def test_mean_is_over_expressions_and_not_over_images():
    interval = bootstrap_interval([1, 1, 1, 0], ['a', 'a', 'a', 'b'])
    assert interval.value == 0.75
    # two images: both draws are a (1/4), both are b (1/4), or one of each
    assert (interval.low, interval.high) == (0, 1)


def test_interval_is_that_of_a_mean_of_independent_images():
    values = np.random.default_rng(0).random(400) < 0.6
    mean, low, high = bootstrap_interval(values, range(400))
    error = values.std() / 20
    assert low == pytest.approx(mean - 1.96 * error, abs=0.004)
    assert high == pytest.approx(mean + 1.96 * error, abs=0.004)


def test_expressions_of_an_image_are_drawn_together():
    """Ten images of forty equal answers are ten draws, not four hundred."""
    values = np.repeat([1, 1, 1, 0, 0, 1, 0, 1, 1, 0], 40)
    together = bootstrap_interval(values, np.repeat(range(10), 40))
    alone = bootstrap_interval(values, range(400))
    assert together.high - together.low > 4 * (alone.high - alone.low)


def test_rows_of_an_image_need_not_be_neighbours():
    values, images = [1, 0, 1, 1, 0, 0], ['a', 'a', 'b', 'c', 'c', 'd']
    mixed = bootstrap_interval([1, 1, 0, 0, 1, 0], ['a', 'b', 'a', 'c', 'c', 'd'])
    assert bootstrap_interval(values, images) == mixed


def test_draws_in_several_parts_are_the_same(monkeypatch):
    values = np.random.default_rng(1).random(50)
    whole = bootstrap_interval(values, range(50), draws=1000)
    monkeypatch.setattr(bootstrap, '_CHUNK', 7 * 50)
    assert bootstrap_interval(values, range(50), draws=1000) == whole
    assert bootstrap_interval(values, range(50), draws=1000, seed=1) != whole


@pytest.mark.parametrize(('values', 'images'), [([], []), ([1, 0], ['a'])])
def test_values_without_images_are_refused(values, images):
    with pytest.raises(ValueError, match='an image for each'):
        bootstrap_interval(values, images)
