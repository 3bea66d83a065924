"""Readers of what tests and runs wrote, with errors that name the file."""

import math
from collections.abc import Mapping
from pathlib import Path
from types import UnionType
from typing import Any

from m2ist_mm.datasets.formats.fields import read_fields
from m2ist_mm.datasets.formats.json_text import read_json

from .intervals import hits

NUMBER = int | float
_ROW = dict(img_path=str, sent_id=int, text=str, iou=NUMBER)
_VAL = dict(precision=NUMBER, kinds=dict, expressions_per_image=list, hits=str)


def read_result(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is incomplete, or no JSON.
    """
    if not path.exists():
        raise FileNotFoundError(f'{path}: no such file')
    return read_json(str(path))


def read_rows(path: Path) -> list[dict]:
    """Read the rows of ``tools/test.py --out``.

    Returns:
        What :func:`.summarise` needs of them, and ``split`` where they have one.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no such file, or empty.
    """
    content = read_result(path)
    if content == []:
        raise ValueError(f'{path} holds no expressions')
    rows, wrong = [], f'{path} is no result of tools/test.py --out'
    if not isinstance(content, list):
        raise ValueError(f'{wrong}: is no list')
    for number, row in enumerate(content):
        try:
            rows.append(read_fields(row, _ROW, dict(kind=str, split=str)))
            if not 0 <= row['iou'] <= 1:
                raise ValueError(f"its 'iou' is {row['iou']}, not from 0 to 1")
        except ValueError as error:
            raise ValueError(f'{wrong}: entry {number} {error}') from error
    return rows


def read_object(path: Path, fields: Mapping[str, type | UnionType]) -> dict:
    """Read a JSON object, and check what is needed of it.

    Args:
        path: The file.
        fields: What it must have: texts, finite numbers, lists of these, and as ``val``
            what :func:`.summarise` returns.

    Raises:
        ValueError: Something is missing or wrong.
    """
    content = read_result(path)
    try:
        read_fields(content, fields)
        _check_numbers({name: content[name] for name in fields if name != 'val'})
        if 'val' in fields:
            val = content['val']
            read_fields(val, _VAL, dict(expressions_sha256=str))
            _check_numbers({name: val[name] for name in _VAL})
            if len(hits(content)) != sum(val['expressions_per_image']):
                raise ValueError("its 'hits' are not as many as its expressions")
    except ValueError as error:
        raise ValueError(f'{path}: {error}; make this file anew') from error
    return content


def read_objects(
    folder: Path,
    pattern: str,
    fields: Mapping[str, type | UnionType],
    identity: tuple[str, ...],
) -> list[dict]:
    """Read JSON objects, no two of which may be of the same.

    Args:
        folder: Their folder.
        pattern: Of their names.
        fields: See :func:`read_object`.
        identity: Fields by which they differ.

    Raises:
        ValueError: One is wrong, or two are of the same.
    """
    found, paths = [], {}
    for path in sorted(folder.glob(pattern)):
        content = read_object(path, fields)
        twin = paths.setdefault(tuple(content[name] for name in identity), path)
        if twin != path:
            raise ValueError(
                f'{twin} and {path} are of the same {" and ".join(identity)}; remove '
                'one of them'
            )
        found.append(content)
    return found


def _check_numbers(values: Mapping[str, Any]) -> None:
    """Refuse NaN and infinity, and lists and dicts of anything but finite numbers."""
    for name, value in values.items():
        if isinstance(value, dict):
            value = list(value.values())
        numbers = [value] if isinstance(value, float) else value
        if isinstance(numbers, list) and not (
            numbers
            and all(isinstance(n, NUMBER) and abs(n) < math.inf for n in numbers)
        ):
            raise ValueError(f'its {name!r} must be one or more finite numbers')
