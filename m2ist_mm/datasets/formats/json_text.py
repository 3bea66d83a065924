"""JSON files, with errors that name the place."""

import json
from typing import Any

from mmengine.fileio import get

from ..dataset_error import DatasetError


def read_bytes(path: str, backend_args: dict | None = None) -> bytes:
    """Read an annotation file.

    Args:
        path: The file.
        backend_args: Where mmengine reads it.

    Raises:
        DatasetError: There is no such file, or it cannot be read.
    """
    try:
        return get(path, backend_args=backend_args)
    except FileNotFoundError as error:
        raise DatasetError(
            [
                f'{path}: no such file; it comes with the dataset, so check '
                'data_root and the name of the file'
            ]
        ) from error
    except OSError as error:
        raise DatasetError([f'{path}: cannot be read: {error}']) from error


def read_json(path: str, backend_args: dict | None = None) -> Any:
    """Read a JSON file.

    Raises:
        DatasetError: It is missing or incomplete.
    """
    content = read_bytes(path, backend_args)
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DatasetError(
            [f'{path}: not a complete JSON file: {error}; get the original file again']
        ) from error


def read_json_lines(
    path: str, backend_args: dict | None = None
) -> list[tuple[str, Any]]:
    """Read a file of one JSON value per line; empty lines are passed over.

    Returns:
        list[tuple[str, Any]]: Each value after its place ('FILE: line 3').

    Raises:
        DatasetError: It is missing, or a line is incomplete.
    """
    rows, lines = [], read_bytes(path, backend_args).splitlines()
    for number, line in enumerate(lines, 1):
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
