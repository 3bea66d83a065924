"""Boxes with labels, drawn into an image."""

import itertools
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from .colors import Color
from .font_stack import FontStack
from .label_layout import LabelLayout

_WHITE = (255, 255, 255)


@dataclass(frozen=True)
class LabelledBox:
    """A box to be drawn.

    Attributes:
        corners: ``xyxy`` in pixels of the image, finite; may leave the image.
        color: Colour of line and label.
        dashed: Whether the line is dashed and the label hollow.
        label: A short text; empty is none.
    """

    corners: tuple[float, float, float, float]
    color: Color
    dashed: bool = False
    label: str = ''


def letter_size(size: tuple[int, int]) -> int:
    """Size of the letters for an image (width, height), in pixels."""
    return max(15, round((size[0] * size[1]) ** 0.5 / 40))


def line_width(size: tuple[int, int]) -> int:
    """Width of the lines for an image (width, height), in pixels."""
    return max(2, round((size[0] * size[1]) ** 0.5 / 180))


def draw_boxes(
    image: Image.Image, boxes: Sequence[LabelledBox], fonts: FontStack
) -> int:
    """Draw boxes, and then their labels, which cover none of each other.

    Args:
        image: RGB; it is drawn on. Lines and letters grow with its size.
        boxes: The boxes. The line of those with the same corners has all their colours.
        fonts: What the labels are written with.

    Returns:
        How many labels are left out, since the image has no more room for them.
    """
    draw, layout = ImageDraw.Draw(image), LabelLayout(image.size)
    size, width = letter_size(image.size), line_width(image.size)
    placed = [(box, _inside(box.corners, image.size)) for box in boxes]
    frames = defaultdict(list)
    for box, corners in placed:
        frames[box.dashed, corners].append(box.color)
    # small boxes above large ones; dashes above solid lines, which they would vanish in
    for dashed, corners in sorted(frames, key=lambda one: (one[0], -_area(one[1]))):
        draw_frame(draw, corners, frames[dashed, corners], width, dashed)
    left_out = 0
    for box, corners in placed:
        if box.label:
            place = layout.place(label_size(box.label, size, fonts), corners)
            if place is None:
                left_out += 1
            else:
                draw_label(draw, place, box, size, fonts)
    return left_out


def draw_frame(
    draw: ImageDraw.ImageDraw,
    corners: tuple[int, int, int, int],
    colors: Sequence[Color],
    width: int,
    dashed: bool,
) -> None:
    """Draw the outline of a box, with a fine white edge, inside ``corners``.

    Args:
        draw: What to draw on.
        corners: ``xyxy`` in pixels.
        colors: Of the line, which takes them in turn.
        width: Of the line, in pixels.
        dashed: Whether there are gaps between its pieces.
    """
    bars = list(_bars(corners, width, dashed, len(colors) > 1))
    for bar in bars:
        draw.rectangle(_grown(bar, max(1, width // 3)), fill=_WHITE)
    for bar, color in zip(bars, itertools.cycle(colors), strict=False):
        draw.rectangle(_grown(bar, 0), fill=color)


def label_size(text: str, size: int, fonts: FontStack) -> tuple[int, int]:
    """(width, height) of a label with letters of ``size``, in pixels."""
    return round(fonts.width(text, size) + 0.6 * size), round(1.2 * size)


def draw_label(
    draw: ImageDraw.ImageDraw,
    position: tuple[int, int],
    box: LabelledBox,
    size: int,
    fonts: FontStack,
) -> None:
    """Draw a box's label, its upper left corner at ``position``."""
    left, top = position
    width, height = label_size(box.label, size, fonts)
    draw.rectangle(
        (left, top, left + width - 1, top + height - 1),
        fill=_WHITE if box.dashed else box.color,
        outline=box.color,
        width=max(1, size // 10),
    )
    color = box.color if box.dashed else _WHITE
    fonts.write(draw, (left + 0.3 * size, top), box.label, size, color)


def _inside(
    corners: Sequence[float], size: tuple[int, int]
) -> tuple[int, int, int, int]:
    """The part of a box in the image, at least a pixel, as whole pixels."""
    edges = []
    for (low, high), length in zip(
        (sorted(corners[0::2]), sorted(corners[1::2])), size, strict=True
    ):
        first = int(np.clip(round(low), 0, length - 1))
        edges.append((first, int(np.clip(round(high), first + 1, length))))
    (x1, x2), (y1, y2) = edges
    return x1, y1, x2, y2


def _area(corners: tuple[int, int, int, int]) -> int:
    x1, y1, x2, y2 = corners
    return (x2 - x1) * (y2 - y1)


def _bars(
    corners: tuple[int, int, int, int], width: int, dashed: bool, cut: bool
) -> Iterator[tuple[int, int, int, int]]:
    """Rectangles ``xyxy`` that make up an outline: its four sides, or their pieces."""
    x1, y1, x2, y2 = corners
    across, down = min(width, x2 - x1), min(width, y2 - y1)
    columns = _pieces(x1, x2, width, dashed, cut)
    rows = _pieces(y1, y2, width, dashed, cut)
    for y in (y1, y2 - down):
        yield from ((start, y, end, y + down) for start, end in columns)
    for x in (x1, x2 - across):
        yield from ((x, start, x + across, end) for start, end in rows)


def _pieces(
    start: int, end: int, width: int, dashed: bool, cut: bool
) -> list[tuple[int, int]]:
    """Cut a side into pieces: an odd number, of which dashes are every other."""
    number = 2 * round((end - start) / width / 8) + 1 if dashed or cut else 1
    edges = np.linspace(start, end, number + 1).round().astype(int).tolist()
    pieces = list(itertools.pairwise(edges))
    return pieces[::2] if dashed else pieces


def _grown(bar: tuple[int, int, int, int], edge: int) -> tuple[int, int, int, int]:
    """A rectangle with an edge around; Pillow's rectangles hold their last pixel."""
    x1, y1, x2, y2 = bar
    return x1 - edge, y1 - edge, x2 - 1 + edge, y2 - 1 + edge
