"""What a dataset is like, and what needs no model to be predicted."""

from collections import Counter
from collections.abc import Sequence
from statistics import median

import numpy as np

from ...evaluation import pairwise_iou

_MOST_CANDIDATES = 500
_SIDE = 1000  # of the image, for IoU: mmdet takes unions below 1e-6 for 1e-6


def describe(rows: Sequence[dict]) -> dict:
    """Count and measure the rows of a split.

    Args:
        rows: With ``image``, ``expression``, ``bbox`` (xyxy pixels), ``width``,
            ``height`` and optionally ``kind``.

    Returns:
        dict: Numbers by their name; of several, the least, the median and the most.
        ``box_share`` is the area of boxes relative to that of their image.
    """
    sizes = {row['image']: (row['width'], row['height']) for row in rows}
    boxes = relative_boxes(rows)
    shares = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    return dict(
        images=len(sizes),
        expressions=len(rows),
        distinct_expressions=len({row['expression'].lower() for row in rows}),
        boxes=len({(row['image'], *row['bbox']) for row in rows}),
        expressions_per_image=_spread(list(Counter(r['image'] for r in rows).values())),
        words=_spread([len(row['expression'].split()) for row in rows]),
        width=_spread([width for width, _ in sizes.values()]),
        height=_spread([height for _, height in sizes.values()]),
        box_share=_spread([round(float(share), 4) for share in shares]),
        kinds=dict(Counter(row['kind'] for row in rows if 'kind' in row).most_common()),
    )


def relative_boxes(rows: Sequence[dict]) -> np.ndarray:
    """Give the boxes of rows relative to their images, (n, 4) xyxy in 0 to 1."""
    boxes = np.array([row['bbox'] for row in rows], float).reshape(-1, 4)
    sides = np.array([(row['width'], row['height']) * 2 for row in rows], float)
    return boxes / sides.reshape(-1, 4)


def best_constant_box(boxes: np.ndarray, seed: int = 0) -> np.ndarray:
    """Choose the box that is right for most expressions, whatever they say.

    Args:
        boxes: (n, 4) xyxy relative to the images, of the train split.
        seed: Of the choice of 500 candidates, if there are more boxes.

    Returns:
        (4,): That of the boxes whose IoU is at least 0.5 with the most others; of
        several such the one with the highest mean IoU.
    """
    candidates = boxes
    if len(boxes) > _MOST_CANDIDATES:
        drawn = np.random.default_rng(seed).permutation(len(boxes))[:_MOST_CANDIDATES]
        candidates = boxes[np.sort(drawn)]
    scores = [
        ((ious := _iou_with(box, boxes)) >= 0.5).mean() + 1e-6 * ious.mean()
        for box in candidates
    ]
    return candidates[int(np.argmax(scores))]


def constant_controls(rows: Sequence[dict], box: np.ndarray) -> dict[str, float]:
    """Measure P@0.5 in percent of predicting the whole image, and a constant box.

    Args:
        rows: As for :func:`describe`.
        box: (4,) xyxy relative to the images.
    """
    boxes = relative_boxes(rows)
    predicted = dict(whole_image=np.array([0.0, 0.0, 1.0, 1.0]), constant_box=box)
    return {
        name: round(100 * float((_iou_with(one, boxes) >= 0.5).mean()), 2)
        for name, one in predicted.items()
    }


def _iou_with(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """IoU of one box (4,) with others (n, 4), relative to their images: (n,)."""
    return pairwise_iou(_SIDE * box, _SIDE * boxes)[0]


def _spread(values: Sequence[float]) -> list[float]:
    return [min(values), median(values), max(values)]
