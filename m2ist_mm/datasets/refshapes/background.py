"""Grounds that shapes are drawn on."""

import cv2
import numpy as np

from .random_source import Random
from .scene import BASE_SIZE


def draw_background(size: int, clutter: int, rng: Random) -> np.ndarray:
    """Draw a dull ground with specks and thin lines.

    It stays darker than white and grayer than every color of the shapes.

    Args:
        size: Side of the image in pixels.
        clutter: Specks and lines, as a multiple of the ordinary amount.
        rng: The only source of chance.

    Returns:
        Image (size, size, 3) RGB, float32, 0 to 170.
    """
    tint = rng.uniform(60, 120) + rng.uniform(-14, 14, 3)
    cells = int(rng.integers(2, 9))
    relief = rng.uniform(-1, 1, (cells, cells, 3)) * (1, 0.3, 0.3)
    relief[..., 1:] += relief[..., :1]  # gray for the most part
    relief = cv2.resize(
        relief.astype(np.float32), (size, size), interpolation=cv2.INTER_CUBIC
    )
    image = tint + rng.uniform(5, 26) * relief
    ramp = np.linspace(-1, 1, size)[:, None, None] * rng.uniform(-25, 25)
    image = image + (ramp if rng.random() < 0.5 else ramp.transpose(1, 0, 2))
    grain = rng.standard_normal((size, size), np.float32)[..., None]
    image = (image + rng.uniform(1, 6) * grain).astype(np.float32)
    for _ in range(clutter * int(rng.integers(2, 9))):
        start = rng.uniform(0, size, 2)
        end = start + rng.uniform(-30, 30, 2) * (size / BASE_SIZE)
        cv2.line(image, _pixel(start), _pixel(end), _dull(rng), 1, cv2.LINE_AA)
    for _ in range(clutter * int(rng.integers(4, 20))):
        center = _pixel(rng.uniform(0, size, 2))
        cv2.circle(image, center, int(rng.integers(0, 2)), _dull(rng), -1)
    return np.clip(image, 0, 170)


def _pixel(point: np.ndarray) -> tuple[int, ...]:
    return tuple(map(int, point))


def _dull(rng: Random) -> tuple[float, ...]:
    """Draw a grayish color for clutter."""
    return tuple(map(float, rng.uniform(25, 165) + rng.uniform(-25, 25, 3)))
