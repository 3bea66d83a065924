"""How far a mean over expressions would vary with other images."""

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np

DRAWS = 10_000
_CHUNK = 2_000_000  # drawn images at a time: some 50 MB


class Interval(NamedTuple):
    """A mean and its 95 % interval."""

    value: float
    low: float
    high: float


def bootstrap_interval(
    values: Sequence[float],
    images: Sequence[Hashable],
    draws: int = DRAWS,
    seed: int = 0,
) -> Interval:
    """Mean over expressions with its 95 % interval, by a bootstrap over images.

    Whole images are drawn, since the expressions of one image are not independent. Of
    the differences of two models on the same expressions this is the paired bootstrap.

    Args:
        values: (n,) one number per expression.
        images: (n,) the image of each, in any form that tells images apart.
        draws: Number of bootstrap samples.
        seed: Of the draws: the same input gives the same interval.

    Returns:
        In the unit of ``values``. Values that are all equal give an interval of width
        0, whatever their number.

    Raises:
        ValueError: There are no values, or not one image for each.
    """
    values = np.asarray(values, float)
    if not len(values) or len(images) != len(values):
        raise ValueError(
            f'an interval needs values and an image for each; there are {len(values)} '
            f'values and {len(images)} images'
        )
    numbers = {}
    image = np.array([numbers.setdefault(key, len(numbers)) for key in images])
    sums, sizes = np.bincount(image, values), np.bincount(image)
    generator = np.random.default_rng(seed)
    means = np.empty(draws)
    step = max(1, _CHUNK // len(sizes))
    for start in range(0, draws, step):
        part = means[start : start + step]
        drawn = generator.integers(len(sizes), size=(len(part), len(sizes)))
        part[:] = sums[drawn].sum(1) / sizes[drawn].sum(1)
    low, high = np.percentile(means, [2.5, 97.5])
    return Interval(float(values.mean()), float(low), float(high))
