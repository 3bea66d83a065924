"""Rows whose labels models that never saw them find implausible."""

from ...evaluation import pairwise_iou
from .figures import FOUND
from .neighbours import other_objects

SHARE = 0.1  # of the rows that a report lists


def rank_suspects(answers: list[dict]) -> list[dict]:
    """Sort rows by how little their labels agree with what was predicted.

    Args:
        answers: See :func:`.load_answers`, each predicted by a model trained on other
            images; all rows of an image.

    Returns:
        All answers, the most suspect first, with ``score`` (0 to 2: one minus the IoU
        with the label, plus the highest IoU with the label of another object in the
        image) and ``why``, in words.
    """
    ranked = []
    for answer, others in zip(answers, other_objects(answers), strict=True):
        nearest, other = 0.0, None
        predicted = answer['predicted']
        if predicted is not None and others:
            boxes = [answers[index]['bbox'] for index in others]
            overlaps = pairwise_iou([predicted], boxes)[0]
            nearest, other = overlaps.max(), answers[others[overlaps.argmax()]]
        if nearest >= FOUND:
            why = f'the box of “{other["expression"]}” is predicted'
        else:
            why = 'another place is predicted'
        if answer['iou'] >= FOUND:
            why = 'agrees with the label'
        score = round(1 - answer['iou'] + float(nearest), 4)
        ranked.append({**answer, 'score': score, 'why': why})
    return sorted(ranked, key=lambda row: -row['score'])
