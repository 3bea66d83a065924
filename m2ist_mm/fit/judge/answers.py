"""Rows with what a model answered."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...datasets import DatasetError
from ...datasets.formats.json_text import read_json
from ...evaluation import aligned_iou
from .rows_file import load_rows

_TOLERANCE = 1.5  # pixels: labels are clipped to their image and in single precision


def load_answers(rows_path: str | Path, predictions_path: str | Path) -> list[dict]:
    """Put rows and their predictions together.

    Args:
        rows_path: Rows, see :func:`.load_rows`.
        predictions_path: What ``tools/test.py --out`` wrote of them.

    Returns:
        The rows, in their order, with ``predicted`` (xyxy pixels; None where the model
        gave no finite box), ``iou`` of it and the label, and ``truncated`` (whether the
        tokenizer cut the sentence). ``bbox`` is the label that was measured with.

    Raises:
        DatasetError: A file is missing or damaged, or the predictions are of other
            rows.
    """
    rows = load_rows(rows_path)
    predictions = read_json(str(predictions_path))
    try:
        by_id = {prediction['sent_id']: prediction for prediction in predictions}
        answers = [_answer(row, by_id.pop(row['sent_id'])) for row in rows]
    except (KeyError, TypeError):
        by_id = None  # no predictions of these rows, or none at all
    if by_id or by_id is None or _moved(rows, answers):
        raise DatasetError(
            f'{predictions_path} holds no predictions of the rows of {rows_path}; '
            'test on these rows again, with tools/test.py --out'
        )
    return answers


def constant_answers(answers: list[dict], box: Sequence[float]) -> list[dict]:
    """Answer every expression by one box, (4,) xyxy relative to the image."""
    sizes = [(answer['width'], answer['height']) * 2 for answer in answers]
    boxes = np.multiply(sizes, box)
    overlaps = aligned_iou(boxes, [answer['bbox'] for answer in answers])
    return [
        {**answer, 'predicted': box, 'iou': iou}
        for answer, box, iou in zip(
            answers, boxes.tolist(), overlaps.tolist(), strict=True
        )
    ]


def _answer(row: dict, prediction: dict) -> dict:
    return {
        **row,
        'bbox': prediction['gt_bbox'],
        'predicted': prediction['pred_bbox'],
        'iou': prediction['iou'],
        'truncated': prediction['truncated'],
    }


def _moved(rows: list[dict], answers: list[dict]) -> bool:
    """Whether the labels that were measured with are not those of the rows."""
    labels = [answer['bbox'] for answer in answers]
    if None in labels:
        return True
    moved = np.subtract(labels, [row['bbox'] for row in rows])
    return bool(np.abs(moved).max() > _TOLERANCE)
