"""Rows that the fit works on: one JSON value per line, one box each."""

import json
from collections.abc import Iterable
from pathlib import Path

from ...atomic_file import write_atomically
from ...datasets import DatasetError
from ...datasets.formats.fields import read_fields
from ...datasets.formats.json_text import parse_json_lines, read_text

_REQUIRED = dict(
    image=str, expression=str, bbox=list, sent_id=int, width=int, height=int
)
_OPTIONAL = dict(kind=str, group=str)


def load_rows(path: str | Path) -> list[dict]:
    """Read rows.

    Args:
        path: The file.

    Returns:
        Dicts with ``image`` (path below the image folder), ``width`` and ``height`` of
        it, ``expression``, ``bbox`` (xyxy pixels), ``sent_id`` (unique) and, where the
        row has one, ``kind`` and ``group`` (of images that look the same).

    Raises:
        DatasetError: The file is missing, empty or faulty.
    """
    rows, faults = [], []
    for entry, row in parse_json_lines(str(path), read_text(str(path))):
        try:
            rows.append(read_fields(row, _REQUIRED, _OPTIONAL))
        except ValueError as error:
            faults.append(f'{entry}: {error}')
    if not rows and not faults:
        faults.append(f'{path}: has no rows')
    if len({row['sent_id'] for row in rows}) < len(rows):
        faults.append(f'{path}: a sent_id occurs twice')
    if faults:
        raise DatasetError(faults)
    return rows


def save_rows(path: str | Path, rows: Iterable[dict]) -> None:
    """Write rows as :func:`load_rows` reads them; other keys are left out."""
    keys = (*_REQUIRED, *_OPTIONAL)
    lines = [json.dumps({key: row[key] for key in keys if key in row}) for row in rows]
    write_atomically(path, ''.join(f'{line}\n' for line in lines).encode())
