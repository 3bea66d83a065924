from collections import Counter

import numpy as np
import pytest

from m2ist_mm.datasets.refshapes.random_source import Random


def test_draws_are_those_of_numpy():
    assert Random([1, 2]).random() == np.random.default_rng([1, 2]).random()


def test_items_are_picked_equally_often_and_keys_by_weight():
    rng = Random([0])
    equal = Counter(rng.pick('abcd') for _ in range(4000))
    weighted = Counter(rng.pick_weighted({'a': 3, 'b': 1, 'c': 0}) for _ in range(4000))
    assert [equal[item] / 4000 for item in 'abcd'] == pytest.approx(
        [0.25] * 4, abs=0.03
    )
    assert [weighted[item] / 4000 for item in 'abc'] == pytest.approx(
        [0.75, 0.25, 0], abs=0.03
    )
