"""Rows of the format 'rows', one JSON value per line."""

import json
from collections.abc import Iterable
from pathlib import Path

from ...atomic_file import write_atomically
from ...datasets import DatasetError
from ...datasets.formats.rows import read_rows

_KEYS = ('image', 'expression', 'bbox', 'sent_id', 'kind')


def load_rows(path: str | Path) -> list[dict]:
    """Read rows.

    Args:
        path: The file; its rows hold one box each, xyxy pixels.

    Returns:
        Dicts with ``image`` (path below the image folder), ``expression``, ``bbox``,
        ``sent_id`` (unique) and ``kind`` (None where the row has none).

    Raises:
        DatasetError: The file is missing, empty or faulty.
    """
    expressions, faults = read_rows(str(path))
    if not expressions and not faults:
        faults = [f'{path}: has no rows']
    if len({e['sent_id'] for e in expressions}) < len(expressions):
        faults.append(f'{path}: a sent_id occurs twice')
    if faults:
        raise DatasetError(faults)
    return [
        {
            **{key: expression.get(key) for key in _KEYS},
            'expression': expression['text'],
        }
        for expression in expressions
    ]


def save_rows(path: str | Path, rows: Iterable[dict]) -> None:
    """Write rows as :func:`load_rows` reads them; other keys are left out."""
    lines = [
        json.dumps({key: row[key] for key in _KEYS if row.get(key) is not None})
        for row in rows
    ]
    write_atomically(path, ''.join(f'{line}\n' for line in lines).encode())
