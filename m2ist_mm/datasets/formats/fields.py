"""Checks of single entries."""

from collections import Counter
from collections.abc import Iterable
from typing import Any


def wrong_field(row: Any, fields: dict[str, type]) -> str | None:
    """Say what is wrong with an entry, if anything.

    Args:
        row (Any): The entry; it must be a dict.
        fields (dict[str, type]): Keys that it must have, and their values' types. A
            ``bbox`` must hold four numbers.

    Returns:
        str | None: The first thing that is wrong.
    """
    if not isinstance(row, dict):
        return f'is a {type(row).__name__}, not a dict'
    for name, kind in fields.items():
        if name not in row:
            return f'has no {name!r}; its keys are {", ".join(map(str, row))}'
        if not isinstance(row[name], kind) or isinstance(row[name], bool):
            return f'its {name!r} is {row[name]!r}, not a {kind.__name__}'
    if 'bbox' in fields:
        return wrong_bbox(row['bbox'])
    return None


def wrong_bbox(bbox: Any) -> str | None:
    """Say it if a box is not a list of four numbers."""
    if not isinstance(bbox, list) or len(bbox) != 4 or not all(map(_is_number, bbox)):
        return f"its 'bbox' is {bbox!r}, not four numbers"
    return None


def _is_number(value: Any) -> bool:
    """Whether a value is a number that a float can hold."""
    return isinstance(value, float) or (type(value) is int and abs(value) < 2**63)


def duplicates(path: str, name: str, ids: Iterable) -> list[str]:
    """Give a fault for each id that occurs more than once."""
    return [
        f'{path}: {name} {value} occurs {count} times'
        for value, count in Counter(ids).items()
        if count > 1
    ]


def to_xyxy(bbox: list[float], bbox_form: str) -> list[float]:
    """Turn a box of the form 'xyxy' or 'xywh' into xyxy."""
    if bbox_form == 'xyxy':
        return bbox
    left, top, width, height = bbox
    return [left, top, left + width, top + height]
