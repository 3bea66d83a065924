"""JSON files, with errors that name the place."""

import io
import json
from collections.abc import Mapping
from types import UnionType
from typing import Any

from mmengine.fileio import get

from ..dataset_error import DatasetError
from .fields import read_fields


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
            f'{path}: no such file; it comes with the dataset, so check '
            'data_root and the name of the file'
        ) from error
    except OSError as error:
        raise DatasetError(f'{path}: cannot be read: {error}') from error


def read_text(path: str, backend_args: dict | None = None) -> str:
    """Read a text file, in UTF-8, UTF-16 or UTF-32, with or without byte order mark.

    Raises:
        DatasetError: It is missing, or in another encoding.
    """
    content = read_bytes(path, backend_args)
    encoding = json.detect_encoding(content)
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise DatasetError(
            f'{path}: is no {encoding.upper()} text ({error.reason} at byte '
            f'{error.start}); save it as UTF-8, or get the original file again'
        ) from error


def read_json(path: str, backend_args: dict | None = None) -> Any:
    """Read a JSON file.

    Raises:
        DatasetError: It is missing or incomplete, or an object has a key twice.
    """
    return parse_json(path, read_text(path, backend_args))


def parse_json(path: str, text: str) -> Any:
    """Parse the text of a JSON file.

    Raises:
        DatasetError: It is incomplete, or an object has a key twice.
    """
    try:
        return json.loads(text, object_pairs_hook=_without_duplicates)
    except (ValueError, RecursionError) as error:
        raise DatasetError(
            f'{path}: not a complete JSON file: {error}; get the original file again'
        ) from error


def parse_json_lines(path: str, text: str) -> list[tuple[str, Any]]:
    """Parse the text of a file of one JSON value per line; empty lines do not count.

    Returns:
        list[tuple[str, Any]]: Each value after its place ('FILE: line 3').

    Raises:
        DatasetError: A line is incomplete, or an object has a key twice.
    """
    rows = []
    # str.splitlines would also split at what may stand within a JSON string
    for number, line in enumerate(io.StringIO(text, newline=None), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line, object_pairs_hook=_without_duplicates)
        except (ValueError, RecursionError) as error:
            raise DatasetError(
                f'{path}: line {number} is not a complete JSON value: {error}; get '
                'the original file again, or write one value per line'
            ) from error
        rows.append((f'{path}: line {number}', row))
    return rows


def read_json_lines(path: str, required: Mapping[str, type | UnionType]) -> list[dict]:
    """Read a file of one dict per line.

    Args:
        path: The file.
        required: What each must have, see :func:`.read_fields`.

    Returns:
        The dicts, with all that they have.

    Raises:
        DatasetError: The file is missing, or lines are faulty.
    """
    rows, faults = [], []
    for entry, row in parse_json_lines(path, read_text(path)):
        try:
            read = read_fields(row, required)
            rows.append({**row, **read})
        except ValueError as error:
            faults.append(f'{entry}: {error}')
    if faults:
        raise DatasetError(faults)
    return rows


def parse_json_rows(path: str, text: str) -> list[tuple[str, Any]]:
    """Parse the text of a JSON list, or of a file of one JSON value per line.

    Returns:
        list[tuple[str, Any]]: Each value after its place ('FILE: entry 3' or 'FILE:
        line 3').

    Raises:
        DatasetError: It is incomplete, or an object has a key twice.
    """
    if text.lstrip().startswith('['):
        content = parse_json(path, text)
        return [(f'{path}: entry {number}', row) for number, row in enumerate(content)]
    return parse_json_lines(path, text)


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict:
    """Make an object; unlike json's, the last of two equal keys does not win."""
    made = dict(pairs)
    if len(made) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f'an object has the key {twice!r} twice')
    return made
