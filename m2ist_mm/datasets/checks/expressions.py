"""Checks of texts, ids and boxes."""

import math
from collections.abc import Sequence

from ...standalone.predict import wrong_text
from .box_units import in_first_pixel, unit_of_leaving


def check_expressions(
    expressions: Sequence[dict],
    unusable: set[str],
    with_boxes: bool = True,
    tolerance: float = 1.0,
    box_unit: str | None = None,
) -> tuple[list[dict], list[str], int]:
    """Tell sound expressions from faulty ones.

    Args:
        expressions (Sequence[dict]): As :meth:`RECDataset.load_expressions` gives them.
        unusable (set[str]): Images that are missing or broken, told elsewhere.
        with_boxes (bool): Whether each must have a box.
        tolerance (float): Boxes that leave their image by at most so many pixels, as
            rounding makes them, are clipped.
        box_unit (str, optional): The unit that the boxes were said to have. Unless one
            was, here or by the expression's own ``box_unit``, a box within the first
            pixel is a fault.

    Returns:
        tuple[list[dict], list[str], int]: The sound expressions, their boxes inside the
        image; a fault for each thing that is wrong with the others; and the number of
        boxes that were clipped.
    """
    first_entry, sound, faults, clipped = {}, [], [], 0

    def has_unit(expression: dict) -> bool:
        return bool(box_unit or expression.get('box_unit'))

    pixels = [one for one in expressions if 'bbox' in one and not has_unit(one)]
    unit = unit_of_leaving(pixels, tolerance)
    for expression in expressions:
        entry, bbox = expression['entry'], expression.get('bbox')
        problems = [wrong_text(expression['text'])]
        key = expression['split'], expression['sent_id']
        if key in first_entry:
            problems.append(
                f'its sent_id {key[1]} is not unique: {first_entry[key]} has it too'
            )
        first_entry.setdefault(key, entry)
        if bbox is None and with_boxes:
            problems.append('it has no box')
        elif bbox is not None:
            bbox = [float(number) for number in bbox]
            size = expression.get('width', math.inf), expression.get('height', math.inf)
            inside = [
                min(max(value, 0), side)
                for value, side in zip(bbox, size * 2, strict=True)
            ]
            said = has_unit(expression)
            hint = _why_it_leaves(expression, size, tolerance, None if said else unit)
            problem = wrong_box(bbox, inside, size, tolerance, hint)
            if problem is None and not said and in_first_pixel(bbox, size):
                problem = (
                    f'its box {bbox} (xyxy) lies within the first pixel; is it in '
                    "relative units (0 to 1)? Mend it, or say box_unit='pixel' if it "
                    'is right'
                )
            problems.append(problem)
        problems = [problem for problem in problems if problem is not None]
        faults += [f'{entry}: {problem}' for problem in problems]
        if problems or expression['img_path'] in unusable:
            continue
        if bbox is None:
            sound.append(expression)
        else:
            clipped += bbox != inside
            sound.append({**expression, 'bbox': inside})
    return sound, faults, clipped


def wrong_box(
    bbox: Sequence[float],
    inside: Sequence[float],
    size: tuple[float, float],
    tolerance: float,
    hint: str = '',
) -> str | None:
    """Say what is wrong with a box.

    Args:
        bbox (Sequence[float]): xyxy pixels.
        inside (Sequence[float]): The same, clipped to the image.
        size (tuple[float, float]): Width and height of the image.
        tolerance (float): Pixels by which it may leave the image.
        hint (str): What to add where it leaves the image.

    Returns:
        str | None: What is wrong, if anything.
    """
    box = f'its box {list(bbox)} (xyxy)'
    x1, y1, x2, y2 = bbox
    if not all(map(math.isfinite, bbox)):
        return f'{box} is not finite, so it has no area'
    for low, high, names in ((x1, x2, ('left', 'right')), (y1, y2, ('top', 'bottom'))):
        if low > high:
            return (
                f'{box} has its corners reversed: {names[0]} {low:g} is beyond '
                f'{names[1]} {high:g}; are the last two its width and height '
                "(bbox_form='xywh')?"
            )
    if x1 == x2 or y1 == y2:
        return f'{box} has no area'
    outside = max(abs(old - new) for old, new in zip(bbox, inside, strict=True))
    empty = inside[0] >= inside[2] or inside[1] >= inside[3]
    if outside > tolerance or empty:
        width, height = size
        option = '' if empty else f', by more than box_tolerance={tolerance:g}'
        return f'{box} leaves the image of {width}x{height} pixels{option}{hint}'
    return None


def _why_it_leaves(
    expression: dict, size: tuple[float, float], tolerance: float, unit: str | None
) -> str:
    """Say what a box that leaves its image may be instead.

    Args:
        expression (dict): With ``bbox`` (xyxy) and, where its file has boxes as left,
            top, width and height, ``bbox_form`` 'xywh'.
        size (tuple[float, float]): Width and height of the image.
        tolerance (float): Pixels by which a box may leave it.
        unit (str, optional): The unit in which the boxes seem to be.
    """
    left, top, right, bottom = expression['bbox']
    third, fourth = right - left, bottom - top
    if (
        expression.get('bbox_form') == 'xywh'
        and left < third <= size[0] + tolerance
        and top < fourth <= size[1] + tolerance
    ):
        return (
            f'; are the last two numbers in the file, {third:g} and {fourth:g}, its '
            'right and bottom? They must be its width and height'
        )
    return f'; are the boxes in {unit} units (box_unit={unit!r})?' if unit else ''
