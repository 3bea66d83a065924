"""Single shapes, each on a patch of its own."""

import math

import cv2
import numpy as np

from .random_source import Random
from .vocabulary import COLORS, LIGHT_COLORS

OVERSAMPLING = 4
RIM = 6  # oversampled pixels


def _star() -> np.ndarray:
    turns = np.arange(10) * math.pi / 5 - math.pi / 2
    radii = np.where(np.arange(10) % 2, 0.42, 1.0)
    return np.stack([radii * np.cos(turns), radii * np.sin(turns)], 1)


def _cross(half: float = 0.3) -> np.ndarray:
    corners = [(-half, -1), (half, -1), (half, -half), (1, -half), (1, half)]
    corners = np.array([*corners, (half, half)], np.float64)
    return np.concatenate([corners, -corners])


# Corners (n, 2), y down, within the unit circle or box; other kinds are round.
OUTLINES = {
    'square': np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)], np.float64),
    'triangle': np.array([(0, -0.9), (1, 0.85), (-1, 0.85)], np.float64),
    'cross': _cross(),
    'star': _star(),
}


def draw_shape(
    kind: str, color: str, texture: str, side: float, rng: Random
) -> tuple[np.ndarray, np.ndarray]:
    """Draw one shape.

    Args:
        kind: Such as 'circle'.
        color: Such as 'red'.
        texture: Such as 'striped'.
        side: Width of the shape before rotation, in pixels.
        rng: The only source of chance.

    Returns:
        Colors (h + 2, w + 2, 3) RGB, 0 to 255, and opacity (h + 2, w + 2), 0 to 1,
        both float32, where (h, w) is the size of the tight box: one pixel around it
        holds the soft edge.
    """
    n = int(side * 1.3) + 4
    wide = n * OVERSAMPLING
    middle, radius = wide / 2, side * OVERSAMPLING / 2
    mask = np.zeros((wide, wide), np.uint8)
    if kind in OUTLINES:
        turn = math.radians(rng.uniform(-12, 12))
        sin, cos = math.sin(turn), math.cos(turn)
        points = OUTLINES[kind] @ np.array([[cos, sin], [-sin, cos]]) * radius + middle
        cv2.fillPoly(mask, [np.round(points).astype(np.int32)], 255)
    else:
        center = (round(middle), round(middle))
        cv2.circle(mask, center, round(radius), 255, -1)
        if kind == 'ring':
            cv2.circle(mask, center, round(radius * 0.52), 0, -1)
    shade = np.clip(np.array(COLORS[color]) * rng.uniform(0.93, 1.02), 0, 255)
    paint = np.full((wide, wide, 3), shade, np.float32)
    if texture != 'plain':
        # A rim of plain color keeps the outline clear on a ground like the ink.
        inner = cv2.erode(mask, np.ones((2 * RIM + 1, 2 * RIM + 1), np.uint8)) > 0
        inked = inner & _texture_mask(texture, side, wide, rng)
        paint[inked] = shade * 0.25 if color in LIGHT_COLORS else 255
    paint = cv2.resize(paint, (n, n), interpolation=cv2.INTER_AREA)
    opacity = cv2.resize(mask, (n, n), interpolation=cv2.INTER_AREA) / 255
    x, y, w, h = cv2.boundingRect((opacity >= 0.5).astype(np.uint8))
    patch = np.s_[y - 1 : y + h + 1, x - 1 : x + w + 1]
    return paint[patch], opacity[patch].astype(np.float32)


def _texture_mask(texture: str, side: float, wide: int, rng: Random) -> np.ndarray:
    """Draw where a texture puts its ink on an oversampled patch, bool (wide, wide)."""
    turn = rng.uniform(0, math.pi)
    y, x = np.mgrid[:wide, :wide].astype(np.float32) / OVERSAMPLING
    u = x * math.cos(turn) + y * math.sin(turn)
    if texture == 'striped':
        return u / max(5.0, side / 5.5) % 1 < 0.42
    v = y * math.cos(turn) - x * math.sin(turn)
    period = max(5.5, side / 5)
    return (u / period % 1 - 0.5) ** 2 + (v / period % 1 - 0.5) ** 2 < 0.29**2
