"""Boxes in an image, for a page."""

import cv2
import numpy as np
from PIL import Image

from ..visualization.box_drawing import LabelledBox, draw_boxes
from ..visualization.font_stack import FontStack
from .data_uri import MAX_SIDE

LABELLED = (0, 160, 70)  # RGB
PREDICTED = (255, 110, 0)


def draw_labelled_and_predicted(
    image: np.ndarray,
    labelled: list[float] | None,
    predicted: list[float] | None,
    max_side: int = MAX_SIDE,
) -> np.ndarray:
    """Reduce an image and draw the labelled box dashed green, the predicted one orange.

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
    reduced = Image.fromarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA))
    boxes = [
        LabelledBox(tuple(np.multiply(box, scale).tolist()), color, dashed)
        for box, color, dashed in (
            (predicted, PREDICTED, False),
            (labelled, LABELLED, True),
        )
        if box is not None
    ]
    draw_boxes(reduced, boxes, FontStack())
    return np.array(reduced)
