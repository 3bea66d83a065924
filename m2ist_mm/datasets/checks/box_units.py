"""Boxes that are not in pixels."""

import math
from collections.abc import Sequence

# unit: what the whole width, or height, of an image is in it
BOX_UNITS = dict(relative=1, percent=100, permille=1000)
_ENOUGH_BOXES = 20
_ROUNDING = 1.01  # coordinates at an image's edge may be a little outside
_SMALL_IMAGE = 32


def convert_boxes(expressions: Sequence[dict], unit: str) -> list[str]:
    """Convert boxes to pixels, in place.

    Args:
        expressions (Sequence[dict]): With ``bbox`` (xyxy), ``width`` and ``height``.
        unit (str): One of ``BOX_UNITS``.

    Returns:
        list[str]: A fault for each expression whose image's size is not known.
    """
    whole, faults = BOX_UNITS[unit], []
    for expression in expressions:
        if 'width' not in expression:
            faults.append(
                f'{expression["entry"]}: the size of its image is not known, which '
                f'box_unit={unit!r} needs; build the dataset with check_images=True'
            )
            continue
        sides = expression['width'], expression['height']
        expression['bbox'] = [
            value * side / whole
            for value, side in zip(expression['bbox'], sides * 2, strict=True)
        ]
    return faults


def looks_like_unit(expressions: Sequence[dict]) -> tuple[str, int] | None:
    """Say in which other unit the boxes of a dataset seem to be, if in any.

    That is so if all boxes lie within 1 (100, 1000) that are of images larger than
    that in both sides. Boxes within 1 are hardly ever meant as pixels, however few
    there are; for the larger units there must be at least 20.

    Args:
        expressions (Sequence[dict]): With ``bbox`` (xyxy) and, if known, ``width`` and
            ``height``; where they are not, an image is larger than 1 pixel.

    Returns:
        tuple[str, int] | None: One of ``BOX_UNITS``, and the number of those boxes.
    """
    for unit, whole in BOX_UNITS.items():
        boxes = [
            expression['bbox']
            for expression in expressions
            if min(expression.get('width', 2), expression.get('height', 2)) > whole
        ]
        values = (abs(value) for bbox in boxes for value in bbox)
        reach = max(filter(math.isfinite, values), default=0)
        enough = whole == 1 or len(boxes) >= _ENOUGH_BOXES
        if enough and 0 < reach <= whole * _ROUNDING:
            return unit, len(boxes)
    return None


def in_first_pixel(bbox: Sequence[float], size: tuple[float, float]) -> bool:
    """Whether a box is as small as one in relative units taken for pixels is.

    Args:
        bbox (Sequence[float]): xyxy.
        size (tuple[float, float]): Width and height of the image; of one that is
            small itself, a box may be so small.
    """
    return max(bbox) <= _ROUNDING and min(size) > _SMALL_IMAGE


def unit_of_leaving(expressions: Sequence[dict], tolerance: float) -> str | None:
    """Say in which other unit boxes may be, most of which leave their images as pixels.

    Args:
        expressions (Sequence[dict]): With ``bbox`` (xyxy) and, if known, ``width`` and
            ``height``.
        tolerance (float): Pixels by which a box may leave its image.

    Returns:
        str | None: 'percent' or 'permille', if all boxes lie within 100, or 1000, and
        there are at least 20.
    """
    leaving = sum(
        expression['bbox'][2] > expression['width'] + tolerance
        or expression['bbox'][3] > expression['height'] + tolerance
        for expression in expressions
        if 'width' in expression
    )
    reach = max((max(map(abs, e['bbox'])) for e in expressions), default=0)
    if leaving * 2 > len(expressions) and len(expressions) >= _ENOUGH_BOXES:
        for unit, whole in BOX_UNITS.items():
            if reach <= whole * _ROUNDING:
                return unit
    return None
