"""Why a box counts as not found, as far as it can be computed."""

from ...evaluation import pairwise_iou
from .figures import FOUND
from .neighbours import other_objects

NEAR = 0.25  # IoU from which a box is near the labelled one
REASONS = ('right object of another sentence', 'near miss', 'wrong place', 'no box')


def explain(answers: list[dict]) -> list[dict]:
    """Give each answer the reason why it is wrong.

    Args:
        answers: All answers of their images, see :func:`.load_answers`.

    Returns:
        The answers with ``reason``, one of ``REASONS`` or None where the box is found,
        and ``detail``: what the reason is seen by, in words.
    """
    explained = []
    for answer, others in zip(answers, other_objects(answers), strict=True):
        reason, detail = _reason(answer, [answers[other] for other in others])
        explained.append({**answer, 'reason': reason, 'detail': detail})
    return explained


def _reason(answer: dict, others: list[dict]) -> tuple[str | None, str]:
    if answer['iou'] >= FOUND:
        return None, ''
    predicted = answer['predicted']
    if predicted is None:
        return 'no box', 'the model gave no finite box'
    if others:
        overlaps = pairwise_iou([predicted], [other['bbox'] for other in others])[0]
        best = int(overlaps.argmax())
        if overlaps[best] >= FOUND:
            text = others[best]['expression']
            return 'right object of another sentence', f'labelled “{text}”'
    if answer['iou'] < NEAR:
        return 'wrong place', ''
    ratio = _area(predicted) / _area(answer['bbox'])
    if ratio > 1.5:
        how = f'{ratio:.1f} times as large as the label'
    elif ratio < 1 / 1.5:
        how = f'{ratio:.0%} of the label’s area'
    else:
        how = 'about as large as the label, but shifted'
    return 'near miss', how


def _area(box: list[float]) -> float:
    left, top, right, bottom = box
    return (right - left) * (bottom - top)
