"""Checks of texts, ids and boxes."""

import math
from collections.abc import Sequence

from ...standalone.predict import wrong_text


def check_expressions(
    expressions: Sequence[dict],
    unusable: set[str],
    with_boxes: bool = True,
    tolerance: float = 1.0,
) -> tuple[list[dict], list[str], int]:
    """Tell sound expressions from faulty ones.

    Args:
        expressions (Sequence[dict]): As :meth:`RECDataset.load_expressions` gives them.
        unusable (set[str]): Images that are missing or broken, told elsewhere.
        with_boxes (bool): Whether each must have a box.
        tolerance (float): Boxes that leave their image by at most so many pixels, as
            rounding makes them, are clipped.

    Returns:
        tuple[list[dict], list[str], int]: The sound expressions, their boxes inside the
        image; a fault for each thing that is wrong with the others; and the number of
        boxes that were clipped.
    """
    first_entry, sound, faults, clipped = {}, [], [], 0
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
            problems.append(wrong_box(bbox, inside, size, tolerance))
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
) -> str | None:
    """Say what is wrong with a box.

    Args:
        bbox (Sequence[float]): xyxy pixels.
        inside (Sequence[float]): The same, clipped to the image.
        size (tuple[float, float]): Width and height of the image.
        tolerance (float): Pixels by which it may leave the image.

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
        return f'{box} leaves the image of {width}x{height} pixels{option}'
    return None
