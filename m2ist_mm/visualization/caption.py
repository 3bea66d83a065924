"""Text below an image."""

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from .box_drawing import (
    LabelledBox,
    draw_frame,
    draw_label,
    label_size,
    letter_size,
    line_width,
)
from .font_stack import FontStack

_BLACK, _WHITE = (0, 0, 0), (255, 255, 255)


@dataclass(frozen=True)
class CaptionEntry:
    """A paragraph of a caption.

    Attributes:
        text: What it says.
        sign: A box whose label, or, without label, whose line is drawn before the text;
            ``None`` is neither.
    """

    text: str
    sign: LabelledBox | None = None


def add_caption(
    image: Image.Image,
    entries: Sequence[CaptionEntry],
    fonts: FontStack,
    max_height: int,
) -> Image.Image:
    """Put an image above its caption.

    Args:
        image: RGB.
        entries: What stands below.
        fonts: What it is written with; letters are as large as in the image.
        max_height: Pixels of the caption; lines beyond are cut, and counted.

    Returns:
        The image with the caption below, and with a margin where it is too narrow for
        words.
    """
    size = letter_size(image.size)
    width = max(image.width, 21 * size)
    margin, line_height = size // 2, round(1.4 * size)
    widths = [_sign_width(one.sign, size, fonts) for one in entries if one.sign]
    indent = max(widths, default=0) + margin
    lines = []
    for entry in entries:
        left = margin + (indent if entry.sign else 0)
        for number, text in enumerate(fonts.wrap(entry.text, size, width - left)):
            lines.append((left, text, entry.sign if number == 0 else None))
    if left_out := len(lines[max_height // line_height :]):
        lines[max_height // line_height :] = [
            (margin, f'... {left_out} more lines', None)
        ]
    height = line_height * len(lines) + 2 * margin if lines else 0
    page = Image.new('RGB', (width, image.height + height), _WHITE)
    page.paste(image)
    draw = ImageDraw.Draw(page)
    top = image.height + margin
    for left, text, sign in lines:
        if sign is not None:
            _draw_sign(draw, (margin, top), sign, image.size, fonts)
        fonts.write(draw, (left, top), text, size, _BLACK)
        top += line_height
    return page


def _sign_width(sign: LabelledBox, size: int, fonts: FontStack) -> int:
    return label_size(sign.label, size, fonts)[0] if sign.label else 2 * size


def _draw_sign(
    draw: ImageDraw.ImageDraw,
    position: tuple[int, int],
    sign: LabelledBox,
    image_size: tuple[int, int],
    fonts: FontStack,
) -> None:
    (left, top), size, width = position, letter_size(image_size), line_width(image_size)
    if sign.label:
        draw_label(draw, position, sign, size, fonts)
    else:
        middle = top + round(0.6 * size) - width // 2
        corners = left, middle, left + 2 * size, middle + width
        draw_frame(draw, corners, [sign.color], width, sign.dashed)
