"""Precision and mean IoU of answers, with intervals."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable

import numpy as np

from ...evaluation import Interval, bootstrap_interval

FOUND = 0.5  # IoU from which a box counts as found
FEW_IMAGES = 20  # below, intervals are too rough to rely on
_LENGTHS = ((1, '1 word'), (2, '2 words'), (4, '3 to 4'), (7, '5 to 7'))
_SIZES = (
    (0.03, 'below 3 % of the image'),
    (0.1, '3 to 10 %'),
    (0.3, '10 to 30 %'),
)


def figures(answers: list[dict]) -> dict:
    """Compute the figures of some answers.

    Args:
        answers: See :func:`.load_answers`; at least one.

    Returns:
        ``images``, ``expressions``, and ``P@0.5`` and ``mIoU`` in percent, each a dict
        of ``value``, ``low`` and ``high`` (95 %).
    """
    images = [answer['image'] for answer in answers]
    overlaps = np.array([answer['iou'] for answer in answers])
    return {
        'images': len(set(images)),
        'expressions': len(answers),
        'P@0.5': as_percent(precision_interval(overlaps >= FOUND, images)),
        'mIoU': as_percent(bootstrap_interval(overlaps, images)),
    }


def precision_interval(hits: np.ndarray, images: list[str]) -> Interval:
    """Share of hits with its interval over images.

    Where all hit, or none, a bootstrap knows no doubt. There the exact binomial
    (Clopper-Pearson) interval of as many images is taken: of ten images with hits only,
    69 to 100 %.
    """
    interval = bootstrap_interval(hits, images)
    doubt = 0.025 ** (1 / len(set(images)))
    if hits.all():
        return interval._replace(low=doubt)
    if not hits.any():
        return interval._replace(high=1 - doubt)
    return interval


def difference(ours: list[dict], theirs: list[dict]) -> dict:
    """Compare two models' answers to the same expressions.

    Expressions that one of them was not asked are left out.

    Returns:
        ``expressions`` that both were asked, and ``P@0.5`` and ``mIoU``: the
        differences in points, ours minus theirs, with paired 95 % intervals.
    """
    by_id = {answer['sent_id']: answer for answer in theirs}
    pairs = [(a, by_id[a['sent_id']]) for a in ours if a['sent_id'] in by_id]
    images = [answer['image'] for answer, _ in pairs]
    overlaps = np.array([[one['iou'], other['iou']] for one, other in pairs])
    hits = (overlaps >= FOUND).astype(float)
    return {
        'expressions': len(pairs),
        **{
            name: as_percent(bootstrap_interval(values[:, 0] - values[:, 1], images))
            for name, values in (('P@0.5', hits), ('mIoU', overlaps))
        },
    }


def breakdowns(answers: list[dict], sizes: dict[str, tuple[int, int]]) -> dict:
    """Compute the figures by kind, by length of the sentence and by size of the box.

    Args:
        answers: See :func:`.load_answers`.
        sizes: Width and height of each image, in pixels.

    Returns:
        For 'kind' (left out where no row has one), 'sentence length' and 'box size'
        a list of figures, each with its ``name``. Kinds come by their number of
        expressions, the others from short to long and from small to large.
    """

    def length(answer: dict) -> str:
        words = len(answer['expression'].split())
        return next((name for most, name in _LENGTHS if words <= most), '8 and more')

    def size(answer: dict) -> str:
        left, top, right, bottom = answer['bbox']
        share = (right - left) * (bottom - top) / math.prod(sizes[answer['image']])
        return next((name for most, name in _SIZES if share < most), '30 % and more')

    lengths = [*(name for _, name in _LENGTHS), '8 and more']
    shares = [*(name for _, name in _SIZES), '30 % and more']
    parts = {
        'kind': _grouped(answers, lambda answer: answer['kind']),
        'sentence length': _grouped(answers, length, lengths),
        'box size': _grouped(answers, size, shares),
    }
    return {name: groups for name, groups in parts.items() if groups}


def _grouped(
    answers: list[dict],
    key: Callable[[dict], str | None],
    order: Iterable[str] | None = None,
) -> list[dict]:
    groups = defaultdict(list)
    for answer in answers:
        if (name := key(answer)) is not None:
            groups[name].append(answer)
    order = order or sorted(groups, key=lambda name: (-len(groups[name]), name))
    return [{'name': n, **figures(groups[n])} for n in order if n in groups]


def as_percent(interval: Interval) -> dict[str, float]:
    """Interval as the report holds it: percent or points, two decimals."""
    return {name: round(100 * value, 2) for name, value in interval._asdict().items()}
