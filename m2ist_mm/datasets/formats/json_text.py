"""JSON files, with errors that name the place."""

import json
from pathlib import Path
from typing import Any

from ..dataset_error import DatasetError


def read_bytes(path: str | Path) -> bytes:
    """Read an annotation file.

    Raises:
        DatasetError: There is no such file.
    """
    if not Path(path).is_file():
        raise DatasetError(
            [
                f'{path}: no such file; it comes with the dataset, so check '
                'data_root and ann_file'
            ]
        )
    return Path(path).read_bytes()


def read_json(path: str | Path) -> Any:
    """Read a JSON file.

    Raises:
        DatasetError: It is missing or incomplete.
    """
    content = read_bytes(path)
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DatasetError(
            [f'{path}: not a complete JSON file: {error}; get the original file again']
        ) from error


def read_json_lines(path: str | Path) -> list[tuple[str, Any]]:
    """Read a file of one JSON value per line; empty lines are passed over.

    Returns:
        list[tuple[str, Any]]: Each value after its place ('FILE: line 3').

    Raises:
        DatasetError: It is missing, or a line is incomplete.
    """
    rows = []
    for number, line in enumerate(read_bytes(path).splitlines(), 1):
        if not line.strip():
            continue
        try:
            rows.append((f'{path}: line {number}', json.loads(line)))
        except (ValueError, RecursionError) as error:
            raise DatasetError(
                [
                    f'{path}: line {number} is not a complete JSON value: {error}; get '
                    'the original file again, or write one value per line'
                ]
            ) from error
    return rows
