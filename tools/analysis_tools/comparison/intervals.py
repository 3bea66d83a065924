"""What the difference of two methods is worth."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from m2ist_mm.evaluation import Interval, bootstrap_interval
from m2ist_mm.evaluation.bootstrap import DRAWS

MARGIN = 1.0  # points: not below, if the interval's lower end is at least minus this
VERDICTS = (
    'Verdicts: "above", if the interval is above 0; else "not below", if its lower end '
    f'is at least -{MARGIN:g}; else "below", if it is below 0; else "not decided".'
)


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
    check_same_expressions([*ours, *theirs])
    counts = ours[0]['val']['expressions_per_image']
    gained = np.mean([hits(r) for r in ours], 0) - np.mean([hits(r) for r in theirs], 0)
    images = np.repeat(np.arange(len(counts)), counts)
    return bootstrap_interval(100 * gained, images, draws, seed)


def check_same_expressions(runs: Sequence[dict]) -> None:
    """Refuse runs that were tested on different expressions.

    Args:
        runs: With ``val``; those without ``expressions_sha256`` are compared by their
            numbers of expressions and by the kinds alone.

    Raises:
        ValueError: They differ.
    """
    vals = [run['val'] for run in runs]
    tested = [(val['expressions_per_image'], sorted(val['kinds'])) for val in vals]
    hashes = {val.get('expressions_sha256') for val in vals} - {None}
    if len(hashes) > 1 or any(one != tested[0] for one in tested):
        raise ValueError('the runs were tested on different expressions')


def summarise(found: list[dict]) -> dict:
    """Keep what a test found, in little space.

    Args:
        found: Rows of ``tools/test.py --out``, at least one.

    Returns:
        P@0.5 in percent, ``precision`` of all and by ``kinds``, and the ``hits`` of the
        expressions, image by image, with ``expressions_per_image`` and a hash of what
        the expressions are.
    """
    found.sort(key=lambda row: (row['img_path'], row['sent_id']))
    images: dict[str, int] = {}
    kinds: dict[str, list[bool]] = {}
    for row in found:
        images[row['img_path']] = images.get(row['img_path'], 0) + 1
        kinds.setdefault(row.get('kind') or 'all', []).append(row['iou'] >= 0.5)
    asked = [[Path(row['img_path']).name, row['sent_id'], row['text']] for row in found]
    hits = ''.join('1' if row['iou'] >= 0.5 else '0' for row in found)
    return dict(
        precision=100 * hits.count('1') / len(hits),
        kinds={kind: 100 * sum(own) / len(own) for kind, own in sorted(kinds.items())},
        expressions_per_image=list(images.values()),
        expressions_sha256=hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:16],
        hits=f'{int("1" + hits, 2):x}',  # bits behind a leading one
    )


def hits(run: dict) -> np.ndarray:
    """Whether each expression was found, in the order of the file."""
    return np.array([int(bit) for bit in f'{int(run["val"]["hits"], 16):b}'[1:]])


def verdict(low: float, high: float) -> str:
    """Say in words what an interval of a difference shows."""
    if low > 0:
        return 'above'
    if low >= -MARGIN:
        return 'not below'
    return 'below' if high < 0 else 'not decided'
