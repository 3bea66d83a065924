"""Boxes in an image, for a page."""

import cv2
import numpy as np

from .data_uri import MAX_SIDE

LABELLED = (0, 170, 0)  # RGB, as in RECVisualizer
PREDICTED = (255, 110, 0)
_DASH = 7  # pixels


def draw_labelled_and_predicted(
    image: np.ndarray,
    labelled: list[float] | None,
    predicted: list[float] | None,
    max_side: int = MAX_SIDE,
) -> np.ndarray:
    """Reduce an image and draw the labelled box green, the predicted one dashed orange.

    Args:
        image: (H, W, 3) uint8, RGB.
        labelled: xyxy pixels of ``image``, or None.
        predicted: The same.
        max_side: A longer side is reduced to so many pixels.

    Returns:
        (h, w, 3) uint8, RGB.
    """
    scale = min(1, max_side / max(image.shape[:2]))
    size = [max(1, round(side * scale)) for side in image.shape[1::-1]]
    drawn = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    for box, color, dashed in (
        (labelled, LABELLED, False),
        (predicted, PREDICTED, True),
    ):
        if box is not None:
            for thickness, ink in ((4, (0, 0, 0)), (2, color)):
                _outline(drawn, np.multiply(box, scale), ink, thickness, dashed)
    return drawn


def _outline(
    image: np.ndarray,
    box: np.ndarray,
    color: tuple[int, int, int],
    thickness: int,
    dashed: bool,
) -> None:
    height, width = image.shape[:2]
    left, right = box[[0, 2]].clip(1, max(1, width - 2)).round().astype(int).tolist()
    top, bottom = box[[1, 3]].clip(1, max(1, height - 2)).round().astype(int).tolist()
    corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
    for start, end in zip(corners, corners[1:] + corners[:1], strict=True):
        parts = max(1, round(np.hypot(*np.subtract(end, start)) / _DASH))
        points = np.linspace(start, end, parts + 1).round().astype(int).tolist()
        step = 2 if dashed else 1
        for one, other in list(zip(points, points[1:], strict=False))[::step]:
            cv2.line(image, one, other, color, thickness)
