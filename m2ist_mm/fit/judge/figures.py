"""Precision and mean IoU of answers, with intervals."""

import numpy as np

from ...evaluation import Interval, bootstrap_interval

FOUND = 0.5  # IoU from which a box counts as found


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
        'P@0.5': _percent(_precision(overlaps >= FOUND, images)),
        'mIoU': _percent(_mean(overlaps, images)),
    }


def difference(ours: list[dict], theirs: list[dict]) -> dict:
    """Compare two models' answers to the same expressions.

    Args:
        ours: See :func:`.load_answers`.
        theirs: The other's; at least one has the ``sent_id`` of one of ours.
            Expressions that only one of them was asked are left out.

    Returns:
        ``expressions`` that both were asked, and ``P@0.5`` and ``mIoU``: the
        differences in points, ours minus theirs, with paired 95 % intervals.
    """
    by_id = {answer['sent_id']: answer for answer in theirs}
    pairs = [(a, by_id[a['sent_id']]) for a in ours if a['sent_id'] in by_id]
    images = [answer['image'] for answer, _ in pairs]
    overlaps = np.array([[one['iou'], other['iou']] for one, other in pairs])
    gained = {
        'P@0.5': (overlaps >= FOUND).astype(float) @ (1, -1),
        'mIoU': overlaps @ (1, -1),
    }
    return {
        'expressions': len(pairs),
        **{
            name: _percent(_mean(values, images, least=-1))
            for name, values in gained.items()
        },
    }


def _precision(hits: np.ndarray, images: list[str]) -> Interval:
    """Share of hits with its interval over images.

    Where all hit, or none, a bootstrap knows no doubt. There the exact binomial
    (Clopper-Pearson) interval of as many images is taken: of ten images with hits only,
    69 to 100 %.
    """
    interval = _mean(hits, images)
    doubt = 0.025 ** (1 / len(set(images)))
    if hits.all():
        return interval._replace(low=doubt)
    if not hits.any():
        return interval._replace(high=1 - doubt)
    return interval


def _mean(values: np.ndarray, images: list[str], least: float = 0) -> Interval:
    """Mean with its interval over images; one image says nothing about others."""
    interval = bootstrap_interval(values, images)
    if len(set(images)) == 1:
        return interval._replace(low=least, high=1)
    return interval


def _percent(interval: Interval) -> dict[str, float]:
    """Interval as the report holds it: percent or points, two decimals."""
    return {name: round(100 * value, 2) for name, value in interval._asdict().items()}
