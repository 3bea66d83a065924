"""Page of images with captions."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from .data_uri import encode_image
from .page import write_page

MAX_BYTES = 24 * 2**20  # of images in a page, which a phone still opens


def contact_sheet(
    path: str | Path,
    title: str,
    cards: Iterable[dict[str, Any]],
    max_bytes: int = MAX_BYTES,
) -> None:
    """Write one self-contained HTML page of images with captions.

    Args:
        path: The file, ``*.html``; missing folders are made, an older page is replaced
            at once.
        title: Heading of the page.
        cards: Read one by one, so a generator needs no memory for all images. A card is
            a dict with ``image`` ((H, W, 3) uint8, RGB, reduced where it is large; or
            what :func:`encode_image` made of one), ``title`` (str) and ``lines``
            (list[str]). Text is escaped.
        max_bytes: Size of all images together. Cards that are left over when the page
            is full are counted in its last line.

    Raises:
        OSError: The file could not be written.
        ValueError: An image is none.
    """
    shown, left_over = fill_cards(cards, max_bytes)
    write_page(
        path,
        'report/templates/contact_sheet.html',
        title=title,
        cards=shown,
        left_over=left_over,
    )


def fill_cards(
    cards: Iterable[dict[str, Any]], max_bytes: int = MAX_BYTES
) -> tuple[list[dict[str, Any]], int]:
    """Encode the images of cards until ``max_bytes`` are reached.

    Returns:
        The cards with ``image`` as a data URI, for the macro ``sheet`` of
        ``report/templates/cards.html``, and how many are left over.
    """
    shown, used, left_over = [], 0, 0
    for card in cards:
        if not left_over:
            image = card['image']
            uri = encode_image(image) if isinstance(image, np.ndarray) else image
            used += len(uri)
            if used <= max_bytes:
                shown.append({**card, 'image': uri})
                continue
        left_over += 1
    return shown, left_over
