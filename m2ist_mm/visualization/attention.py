"""Images of attention."""

import cv2
import numpy as np
from PIL import Image, ImageDraw

from ..structures import Placement
from .font_stack import FontStack

_WHITE, _BLACK = (255, 255, 255), (0, 0, 0)
_CELL = 160  # pixels of the longer side of an image in the sheet
_LETTERS = 15


def draw_attention(
    image: np.ndarray, attention_map: np.ndarray, placement: Placement
) -> np.ndarray:
    """Lay an attention map in colours over its image in grey.

    Red is the strongest place in the image, whatever its value: the colours of two maps
    cannot be compared.

    Args:
        image: (H, W, 3) uint8, RGB, as it was read.
        attention_map: (h, w), over the grid of the canvas; not negative.
        placement: Where the image lies on the canvas.

    Returns:
        (H, W, 3) uint8, RGB.

    Raises:
        ValueError: The map is no map, or the image has another size than
            ``placement`` says.
    """
    attention_map = np.asarray(attention_map, np.float32)
    if attention_map.ndim != 2:
        raise ValueError(
            'an attention map is (h, w): of one expression, layer and head or a mean '
            f'over them; got the shape {attention_map.shape}'
        )
    if image.shape[:2] != tuple(placement.ori_shape):
        given, placed = (
            f'{width}x{height}'
            for height, width in (image.shape[:2], placement.ori_shape)
        )
        raise ValueError(
            f'the image has {given} pixels, and its placement is of an image of '
            f'{placed}: give the image as it was read'
        )
    return _overlay(image, attention_map, placement)


def draw_attention_sheet(
    image: np.ndarray, attention: np.ndarray, placement: Placement
) -> np.ndarray:
    """Draw all maps of an expression: a row per layer, a column per head.

    The first column is the mean over heads.

    Args:
        image: (H, W, 3) uint8, RGB, as it was read.
        attention: (layers, heads, h, w).
        placement: Where the image lies on the canvas.

    Returns:
        (H', W', 3) uint8, RGB.
    """
    layers, heads = attention.shape[:2]
    scale = _CELL / max(image.shape[:2])
    height, width = (max(1, round(scale * length)) for length in image.shape[:2])
    small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    fonts, gap = FontStack(), 4
    left, top = round(fonts.width(f'layer {layers}', _LETTERS)) + 2 * gap, 2 * _LETTERS
    step_x = gap + max(width, round(fonts.width(f'head {heads}', _LETTERS)))
    sheet = Image.new(
        'RGB', (left + step_x * (heads + 1), top + (height + gap) * layers), _WHITE
    )
    draw = ImageDraw.Draw(sheet)
    for column in range(heads + 1):
        title = f'head {column}' if column else 'mean'
        x = left + step_x * column
        fonts.write(draw, (x, gap), title, _LETTERS, _BLACK)
        for row, maps in enumerate(attention):
            y = top + (height + gap) * row
            one = maps[column - 1] if column else maps.mean(0)
            sheet.paste(Image.fromarray(_overlay(small, one, placement)), (x, y))
    for row in range(layers):
        y = top + (height + gap) * row
        fonts.write(draw, (gap, y), f'layer {row + 1}', _LETTERS, _BLACK)
    return np.array(sheet)


def _overlay(
    image: np.ndarray, attention_map: np.ndarray, placement: Placement
) -> np.ndarray:
    """Lay a map over an image, which may have been resized since it was placed."""
    heat = _over_image(attention_map, placement, image.shape[:2])
    if heat.max() > 0:
        heat = heat / heat.max()
    levels = (255 * heat).round().astype(np.uint8)
    colors = cv2.applyColorMap(levels, cv2.COLORMAP_TURBO)[..., ::-1]
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None]
    share = 0.7 * np.sqrt(heat)[..., None]
    return ((1 - share) * grey + share * colors).round().astype(np.uint8)


def _over_image(
    attention_map: np.ndarray, placement: Placement, shape: tuple[int, int]
) -> np.ndarray:
    """Resample a map of the canvas (h, w) to the pixels of an image, bilinearly."""
    columns, rows = (
        # the middle of a pixel: in the image as it was read, on the canvas, in cells
        (scale * (np.arange(length) + 0.5) * read / length + offset) * cells / extent
        - 0.5
        for length, read, scale, offset, cells, extent in zip(
            shape[::-1],
            placement.ori_shape[::-1],
            placement.scale,
            placement.offset,
            attention_map.shape[::-1],
            placement.canvas[::-1],
            strict=True,
        )
    )
    return _at(_at(attention_map, columns).T, rows).T


def _at(rows: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Values of rows (n, m) at fractional positions (p,), as (n, p)."""
    positions = positions.clip(0, rows.shape[1] - 1).astype(np.float32)
    first = positions.astype(int)
    second = np.minimum(first + 1, rows.shape[1] - 1)
    share = positions - first
    return (1 - share) * rows[:, first] + share * rows[:, second]
