"""Rows of the same image."""

from collections import defaultdict

from ...evaluation import pairwise_iou

SAME_OBJECT = 0.5  # IoU of two labels from which they are taken for one object


def other_objects(rows: list[dict]) -> list[list[int]]:
    """Find for each row the rows of other objects in its image.

    Args:
        rows: With ``image`` and ``bbox`` (xyxy).

    Returns:
        For each row the indices of the rows of the same image whose boxes overlap its
        own with an IoU below ``SAME_OBJECT``.
    """
    by_image = defaultdict(list)
    for index, row in enumerate(rows):
        by_image[row['image']].append(index)
    found = [[] for _ in rows]
    for indices in by_image.values():
        boxes = [rows[index]['bbox'] for index in indices]
        far = pairwise_iou(boxes, boxes) < SAME_OBJECT
        for index, others in zip(indices, far, strict=True):
            found[index] = [
                other for other, is_far in zip(indices, others, strict=True) if is_far
            ]
    return found
