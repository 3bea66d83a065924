"""HTML of the page's parts."""

import base64
import html
import zlib
from collections.abc import Sequence

from ..visualization.colors import expression_colors
from .examples import Example
from .image_memory import OpenedImage
from .jpeg import to_jpeg
from .session import Answer

NOTHING_YET = '<p class="rec-hint">The image appears here, with a box per sentence.</p>'
BADGE_PIXELS = 26  # from one badge to the next, where boxes share a corner
SQUARES_BELOW = 64  # pixels of an image whose pixels are shown as squares


def error_view(message: str) -> str:
    """One line that says what is wrong."""
    return f'<p class="rec-error" role="alert">{html.escape(message)}</p>'


def image_view(
    image: OpenedImage, answer: Answer | None = None, error: str | None = None
) -> str:
    """The image, with the boxes, sentences and times of an answer.

    Args:
        image: The image.
        answer: What was answered about it.
        error: Why there is no answer.
    """
    width, height = image.size
    colors = expression_colors(len(answer.sentences)) if answer else []
    boxes, rows = [], []
    if answer:
        placed = []
        for number, (bbox, color) in enumerate(
            zip(answer.bboxes, colors, strict=True), start=1
        ):
            boxes.append(_box(number, bbox, color, image.size, placed))
        columns = answer.sentences, answer.bboxes, answer.truncated, colors
        for number, row in enumerate(zip(*columns, strict=True), start=1):
            rows.append(_row(number, *row))
    alt = html.escape(
        f'{image.name}, {width} by {height} pixels, with {len(boxes)} boxes', quote=True
    )
    small = ' small' if max(image.size) < SQUARES_BELOW else ''
    parts = [
        f'<figure class="rec-stage{small}" style="--ratio:{width / height:.5f}" '
        f'data-width="{width}" data-height="{height}">'
        f'<img src="preview/{image.key}" alt="{alt}">{"".join(boxes)}</figure>'
    ]
    if error:
        parts.append(error_view(error))
    if rows:
        parts.append(f'<ol class="rec-answers">{"".join(rows)}</ol>')
    parts.append(f'<p class="rec-times">{_times(image, answer)}</p>')
    return ''.join(parts)


def examples_title(examples: Sequence[Example]) -> str:
    """What stands above the examples."""
    if any(example.drawn for example in examples):
        return (
            'Or begin with a drawn scene; a model that was trained on photographs '
            'finds little in it:'
        )
    return 'Or begin with an example:'


def examples_view(examples: Sequence[Example]) -> str:
    """A button per example; its number is in ``data-example``."""
    buttons = []
    for number, example in enumerate(examples):
        name = html.escape(example.name, quote=True)
        content = base64.b64encode(to_jpeg(example.thumbnail)).decode()
        buttons.append(
            f'<button type="button" data-example="{number}" title="{name}">'
            f'<img src="data:image/jpeg;base64,{content}" alt="Example: {name}">'
            '</button>'
        )
    return f'<div class="rec-examples">{"".join(buttons)}</div>'


def attention_view(image: OpenedImage, caption: str) -> str:
    """The attention that was drawn over an image last."""
    alt = html.escape(caption, quote=True)
    width, height = image.size
    version = zlib.crc32(image.attention)  # another address for another drawing
    return (
        f'<figure class="rec-stage" style="--ratio:{width / height:.5f}">'
        f'<img src="attention/{image.key}?{version}" alt="{alt}"></figure>'
        f'<p class="rec-times">{alt}</p>'
    )


def _box(
    number: int,
    bbox: Sequence[float],
    color: tuple[int, int, int],
    size: tuple[int, int],
    placed: list[tuple[float, float]],
) -> str:
    width, height = size
    left, top, right, bottom = (
        100 * value / side
        for value, side in zip(bbox, (width, height) * 2, strict=True)
    )
    # badges of boxes that begin at the same place stand side by side
    shift = sum(abs(left - x) < 5 and abs(top - y) < 5 for x, y in placed)
    placed.append((left, top))
    style = (
        f'left:{left:.3f}%;top:{top:.3f}%;width:{right - left:.3f}%;'
        f'height:{bottom - top:.3f}%;{_css(color)};--shift:{shift * BADGE_PIXELS}px'
    )
    kind = ('above' if top > 6 else 'inside') + (' shared' if shift else '')
    return (
        f'<div class="rec-box {kind}" data-box="{number}" style="{style}">'
        f'<b>{number}</b></div>'
    )


def _row(
    number: int,
    sentence: str,
    bbox: Sequence[float],
    truncated: bool,
    color: tuple[int, int, int],
) -> str:
    corners = ', '.join(f'{value:.0f}' for value in bbox)
    note = ' <em>longer than the model reads: its end was left out</em>'
    return (
        f'<li data-answer="{number}" style="{_css(color)}"><b>{number}</b> '
        f'<span>{html.escape(sentence)}{note if truncated else ""}</span> '
        f'<code title="left, top, right, bottom in pixels">{corners}</code></li>'
    )


def _css(color: tuple[int, int, int]) -> str:
    return '--color:rgb({},{},{})'.format(*color)


def _times(image: OpenedImage, answer: Answer | None) -> str:
    width, height = image.size
    text = (
        f'{width}&times;{height} pixels, read and encoded once in '
        f'{_milliseconds(image.seconds)}'
    )
    if answer:
        count = len(answer.sentences)
        text += (
            f'; {count} sentence{"s" if count > 1 else ""} in '
            f'{_milliseconds(answer.seconds)}'
        )
    return text + '.'


def _milliseconds(seconds: float) -> str:
    return f'{1000 * seconds:.0f} ms'
