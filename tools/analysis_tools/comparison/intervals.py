"""What the difference of two methods is worth."""

import numpy as np

from m2ist_mm.evaluation import Interval, bootstrap_interval
from m2ist_mm.evaluation.bootstrap import DRAWS

MARGIN = 1.0  # points: not below, if the interval's lower end is at least minus this


def paired_interval(
    ours: list[dict], theirs: list[dict], draws: int = DRAWS, seed: int = 0
) -> Interval:
    """Difference of two methods' precision, and its 95 % interval.

    Args:
        ours: Runs of one method, with ``val``.
        theirs: Runs of the other, on the same images.
        draws: Number of bootstrap samples of images.
        seed: Of the draws.

    Returns:
        The difference, in points.

    Raises:
        ValueError: They were tested on other expressions.
    """
    counts = [run['val']['expressions_per_image'] for run in (*ours, *theirs)]
    if any(count != counts[0] for count in counts):
        raise ValueError('the runs were tested on different expressions')
    gained = np.mean([hits(r) for r in ours], 0) - np.mean([hits(r) for r in theirs], 0)
    images = np.repeat(np.arange(len(counts[0])), counts[0])
    return bootstrap_interval(100 * gained, images, draws, seed)


def hits(run: dict) -> np.ndarray:
    """Whether each expression was found, in the order of the file."""
    return np.array([int(bit) for bit in f'{int(run["val"]["hits"], 16):b}'[1:]])


def verdict(low: float, high: float) -> str:
    """Say in words what an interval of a difference shows."""
    if low > 0:
        return 'above'
    if high < -MARGIN:
        return 'below'
    return 'not below' if low >= -MARGIN else 'not decided'
