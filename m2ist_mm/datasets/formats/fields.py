"""Values of single entries."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from reprlib import Repr
from types import UnionType
from typing import Any

import numpy as np

from ...standalone.predict import has_lone_surrogate
from ..dataset_error import DatasetError

_shown = Repr()
_shown.maxstring = _shown.maxother = 80
_shown.maxlong = 30
# what a checkbox, an id, a number or the name of a file or page is, and no sentence
_NO_SENTENCE = re.compile(
    r'true|false|yes|no|[{]?[0-9a-f-]{16,}[}]?|[\d\s.,:;/+-]+|\S*\w\.[a-z]\w{1,3}'
    r'|.+\.(jpe?g|png|webp|tiff?|bmp|gif)|\w+://.+',
    re.IGNORECASE | re.DOTALL,
)


def read_fields(
    row: Any,
    required: Mapping[str, type | UnionType],
    optional: Mapping[str, type | UnionType] | None = None,
) -> dict:
    """Read the values of an entry that are needed, and check what they are.

    Other forms of the same value are turned into the plain one: numpy's numbers, whole
    numbers as floats (640.0), tuples for lists.

    Args:
        row (Any): The entry; it must be a dict.
        required (Mapping[str, type]): Keys that it must have, and their values' types.
            A ``bbox`` that is a list must hold four numbers.
        optional (Mapping[str, type], optional): Keys that it may have.

    Returns:
        dict: The values of these keys; an optional one that is ``None`` is left out.

    Raises:
        ValueError: Says the first thing that is wrong.
    """
    if not isinstance(row, dict):
        raise ValueError(f'is a {type(row).__name__}, not a dict')
    for name in required:
        if name not in row:
            keys = ', '.join(_shown.repr(key).strip("'") for key in row)
            raise ValueError(f'has no {name!r}; its keys are {keys}')
    kinds = {**required, **{k: v for k, v in (optional or {}).items() if k in row}}
    return {
        name: read_bbox(row[name])
        if name == 'bbox' and kind is list
        else _read(name, row[name], kind)
        for name, kind in kinds.items()
        if name in required or row[name] is not None
    }


def read_bbox(value: Any) -> list[float]:
    """Read a box: a list, tuple, array or tensor of four numbers, or of one such box.

    Raises:
        ValueError: It is none, or holds several.
    """
    numbers = _plain(value)
    if _holds_lists(numbers):
        if len(numbers) > 1:
            raise ValueError(
                f"its 'bbox' holds {len(numbers)} boxes, and an expression names one"
            )
        numbers = _plain(numbers[0])
    if (
        not isinstance(numbers, list)
        or len(numbers) != 4
        or not all(map(_is_number, numbers))
    ):
        raise ValueError(f"its 'bbox' is {_shown.repr(value)}, not four numbers")
    return numbers


def read_boxes(row: dict) -> list[list[float]]:
    """Read the ``bbox`` of an entry that may hold several boxes, or none.

    Args:
        row (dict): The entry; its ``bbox`` is one box, a list of boxes, an empty list
            or ``None``.

    Raises:
        ValueError: There is no ``bbox``, or it is none of these.
    """
    value = read_fields(row, dict(bbox=object))['bbox']
    if value is None or (isinstance(value, list) and not value):
        return []
    return [read_bbox(box) for box in (value if _holds_lists(value) else [value])]


def choose_text_field(
    path: str,
    fields: Mapping[str, Sequence[str]],
    text_field: str | None,
    only_named: Iterable[str] = (),
) -> list[str]:
    """Choose the field that holds the text of an expression.

    Args:
        path (str): The file.
        fields (Mapping[str, Sequence[str]]): The texts of each field that has some. A
            field of booleans, ids, numbers or names of files is never taken unless
            named.
        text_field (str, optional): The one that the user names. Otherwise it is
            'expression' or 'caption', whichever is there, or the only one.
        only_named (Iterable[str]): More fields, which are never taken unless named.

    Returns:
        list[str]: The field, and after it the others that could be named.

    Raises:
        DatasetError: There is no such field, or several might be meant; lists them.
    """
    there = [
        name
        for name, texts in fields.items()
        if not texts or not all(_NO_SENTENCE.fullmatch(text.strip()) for text in texts)
    ]
    all_fields = list(dict.fromkeys([*there, *fields, *only_named]))
    usual = [name for name in ('expression', 'caption') if name in there] or there
    chosen = text_field
    if text_field is None and len(usual) == 1:
        chosen = usual[0]
    if chosen in all_fields:
        return [chosen, *(name for name in all_fields if name != chosen)]
    listed = ', '.join(map(repr, all_fields)) or 'none'
    if text_field is not None:
        raise DatasetError(
            f'{path}: has no text_field={text_field!r}; the fields are {listed:.300}'
        )
    raise DatasetError(
        f'{path}: name the field that holds the text by text_field; the fields '
        f'are {listed:.300}'
    )


def to_xyxy(bbox: list[float], bbox_form: str) -> list[float]:
    """Turn a box of the form 'xyxy' or 'xywh' into xyxy."""
    if bbox_form == 'xyxy':
        return bbox
    left, top, width, height = bbox
    return [left, top, left + width, top + height]


def duplicates(path: str, name: str, ids: Iterable) -> list[str]:
    """Give a fault for each id that occurs more than once."""
    return [
        f'{path}: {name} {value} occurs {count} times'
        for value, count in Counter(ids).items()
        if count > 1
    ]


def _read(name: str, value: Any, kind: type | UnionType) -> Any:
    plain = _plain(value)
    if kind is int and isinstance(plain, float) and plain.is_integer():
        plain = int(plain)
    too_large = isinstance(plain, int) and not _is_number(plain)
    if not isinstance(plain, kind) or too_large:
        what = getattr(kind, '__name__', kind)
        raise ValueError(f'its {name!r} is {_shown.repr(value)}, not a {what}')
    if isinstance(plain, str) and has_lone_surrogate(plain):
        raise ValueError(
            f'its {name!r} {_shown.repr(plain)} has half of a surrogate pair'
        )
    return plain


def _plain(value: Any) -> Any:
    """Turn numbers and arrays of numpy and torch, and tuples, into Python's own."""
    if hasattr(value, 'tolist'):
        return value.tolist()
    if isinstance(value, list | tuple):
        return [
            _plain(item) if isinstance(item, np.generic | tuple) else item
            for item in value
        ]
    return value


def _holds_lists(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], list)


def _is_number(value: Any) -> bool:
    """Whether a value is a number that a float can hold."""
    return isinstance(value, float) or (type(value) is int and abs(value) < 2**63)
