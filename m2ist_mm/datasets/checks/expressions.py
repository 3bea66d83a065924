"""Checks of texts, ids and boxes."""

import math
from collections.abc import Sequence


def check_expressions(
    expressions: Sequence[dict], unusable: set[str]
) -> tuple[list[dict], list[str], int]:
    """Tell sound expressions from faulty ones.

    Boxes that leave the image by at most one pixel, as rounding makes them, are
    clipped.

    Args:
        expressions (Sequence[dict]): As :meth:`RECDataset.load_expressions` gives them.
        unusable (set[str]): Images that are missing or broken, told elsewhere.

    Returns:
        tuple[list[dict], list[str], int]: The sound expressions, their boxes inside the
        image; a fault for each thing that is wrong with the others; and the number of
        boxes that were clipped.
    """
    seen, sound, faults, clipped = set(), [], [], 0
    for expression in expressions:
        problems = []
        if not expression['text'].strip():
            problems.append('the expression is empty')
        key = expression['split'], expression['sent_id']
        if key in seen:
            problems.append(f'its sent_id {key[1]} is not unique')
        seen.add(key)
        bbox = [float(number) for number in expression['bbox']]
        width = expression.get('width', math.inf)
        height = expression.get('height', math.inf)
        inside, wrong = _clip_box(bbox, width, height)
        problems += [wrong] if wrong else []
        faults += [f'{expression["entry"]}: {problem}' for problem in problems]
        if not problems and expression['img_path'] not in unusable:
            clipped += bbox != inside
            sound.append({**expression, 'bbox': inside})
    return sound, faults, clipped


def _clip_box(
    bbox: list[float], width: float, height: float
) -> tuple[list[float], str | None]:
    """Clip a box (xyxy) to its image, and say what is wrong with it, if anything."""
    x1, y1, x2, y2 = bbox
    inside = [max(x1, 0), max(y1, 0), min(x2, width), min(y2, height)]
    if not (all(map(math.isfinite, bbox)) and x1 < x2 and y1 < y2):
        return inside, f'its box {bbox} (xyxy) has no area'
    outside = max(abs(old - new) for old, new in zip(bbox, inside, strict=True))
    if outside > 1 or inside[0] >= inside[2] or inside[1] >= inside[3]:
        return inside, (
            f'its box {bbox} (xyxy) leaves the image of {width}x{height} pixels'
        )
    return inside, None
