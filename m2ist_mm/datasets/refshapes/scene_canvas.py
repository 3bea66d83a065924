"""A scene while it is drawn."""

import math

import cv2
import numpy as np
from pycocotools import mask as coco_mask

from .random_source import Random
from .scene import BASE_SIZE
from .shape import Shape
from .shape_drawing import draw_shape
from .vocabulary import TEXTURES


class SceneCanvas:
    """A scene while it is drawn.

    Boxes overlap by an IoU of at most 0.05 and masks never, so every box is that of
    the visible shape.

    Args:
        image (np.ndarray): Background (size, size, 3) RGB, float32; drawn on in place.
    """

    def __init__(self, image: np.ndarray) -> None:
        self.image = image
        self.shapes: list[Shape] = []
        self._taken = np.zeros(image.shape[:2], np.uint8)  # by shapes and a rim

    def place(self, kind: str, color: str, rng: Random) -> None:
        """Draw a shape where there is room, or nothing after several attempts."""
        size = len(self.image)
        unit = size / BASE_SIZE
        smallest = 16 if kind in ('star', 'cross', 'ring') else 14
        for attempt in range(10):
            # Log-uniform, and smaller as room runs out.
            largest = max(24, 52 - 6 * attempt)
            side = math.exp(rng.uniform(math.log(smallest), math.log(largest))) * unit
            texture = 'plain'
            # A texture needs room to be told from another.
            if side >= (24 if kind in ('circle', 'square') else 30) * unit:
                texture = rng.pick_weighted(TEXTURES)
            paint, opacity = draw_shape(kind, color, texture, side, rng)
            touched = (opacity > 0).astype(np.uint8)
            h, w = (length - 2 for length in opacity.shape)
            for _ in range(6):
                x = int(rng.integers(2, size - w - 1))
                y = int(rng.integers(2, size - h - 1))
                window = np.s_[y - 1 : y + h + 1, x - 1 : x + w + 1]
                if (self._taken[window] & touched).any() or self._overlaps(x, y, w, h):
                    continue
                ground = self.image[window]
                ground += opacity[..., None] * (paint - ground)
                self._taken[window] |= cv2.dilate(touched, np.ones((3, 3), np.uint8))
                self.shapes.append(Shape(kind, color, texture, (x, y, w, h)))
                return

    def _overlaps(self, *box: int) -> bool:
        if not self.shapes:
            return False
        others = np.array([shape.box for shape in self.shapes])
        ious = coco_mask.iou(np.array([box]), others, [False] * len(others))
        return (ious > 0.05).any()
