"""Rows whose labels models that never saw them find implausible."""

from ...evaluation import pairwise_iou
from .expectation import expected_hits
from .figures import FOUND
from .neighbours import other_objects

SHARE = 0.1  # of the rows that a report lists


def rank_suspects(answers: list[dict]) -> list[dict]:
    """Sort rows by how little their labels agree with what was predicted.

    Args:
        answers: See :func:`.load_answers`, each predicted by a model trained on other
            images; all rows of an image.

    Returns:
        All answers, the most suspect first, with ``why``, in words, and ``score`` (0 to
        1.5): one minus the IoU with the label, plus half the highest IoU with the label
        of another object in the image, times the probability that the box of such a
        row is found, see :func:`.expected_hits`.
    """
    neighbours = other_objects(answers)
    expected = expected_hits(answers, neighbours)
    ranked = []
    for answer, others, likely in zip(answers, neighbours, expected, strict=True):
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
        score = likely * (1 - answer['iou'] + nearest / 2)
        ranked.append({**answer, 'score': round(float(score), 4), 'why': why})
    return sorted(ranked, key=lambda row: -row['score'])
