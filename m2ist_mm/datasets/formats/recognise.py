"""Recognises the format of an annotation file by its content."""

import json
import re
from pathlib import PurePath
from typing import Any

from ..dataset_error import DatasetError
from .json_text import parse_json_lines, read_text
from .rows import BOX_COLUMNS, CSV_SUFFIXES, parse_table

REFER = 'refer'
ANNOTATION_SUFFIXES = ('.json', '.jsonl', '.ndjson', '.xml', *CSV_SUFFIXES)
# keys that tell a row, or a task, of one format from those of all others
_KEYS = {
    'label-studio': ({'data', 'annotations'},),
    'odvg': ({'filename', 'grounding'},),
    'swift': ({'images', 'objects'},),
    'rows': (
        {'image', 'bbox'},
        {'image', 'expression'},
        *({'image', *columns} for columns in BOX_COLUMNS),
    ),
}


def recognise_format(path: str, backend_args: dict | None = None) -> str:
    """Say which format an annotation file has.

    Args:
        path (str): The file.
        backend_args (dict, optional): Where mmengine reads it.

    Returns:
        str: One of ``FORMATS``, or 'refer' for a ``refs(*).p``.

    Raises:
        DatasetError: It has none of the formats; says what it looks like.
    """
    name = PurePath(path).name
    if re.fullmatch(r'refs\(.*\)\.p', name):
        return REFER
    text = read_text(path, backend_args)
    start = text.lstrip('\ufeff \t\r\n')
    if start.startswith('<'):
        if '<annotations' in start[:2000]:
            return 'cvat'
        raise DatasetError(f"{path}: is XML, but not CVAT's")
    if name.lower().endswith(CSV_SUFFIXES):
        rows = parse_table(path, text)
        content = [row for _, row in rows]
    else:
        content = _first_values(path, text)
    first = content[0] if isinstance(content, list) and content else content
    if not isinstance(first, dict):
        raise DatasetError(f'{path}: holds no rows')
    if isinstance(first.get('images'), list) and 'annotations' in first:
        # COCO's images may have one that nobody filled in
        captions = any(
            isinstance(i, dict) and i.get('caption') for i in first['images']
        )
        return 'mdetr' if captions else 'coco'
    known = next(
        (
            name
            for name, sets in _KEYS.items()
            if any(keys <= first.keys() for keys in sets)
        ),
        None,
    )
    if known not in (None, 'rows'):
        return known
    if 'data' in first and 'predictions' in first:
        what = "has Label Studio's tasks without annotations"
    elif _has_regions(first):
        table = name.lower().endswith(CSV_SUFFIXES)
        what = (
            f"is Label Studio's {'table' if table else 'short export'}; choose 'JSON' "
            f'instead of {"CSV or TSV" if table else repr("JSON-MIN")}'
        )
    elif known:
        return known
    else:
        keys = ', '.join(map(repr, first)) or 'none'
        columns = ' or '.join(', '.join(names) for names in BOX_COLUMNS)
        what = (
            f'is of no known format; the keys of its first entry are {keys:.200}, and '
            f'rows have image, expression and bbox (or {columns})'
        )
    raise DatasetError(f'{path}: {what}')


def _has_regions(row: dict) -> bool:
    """Whether a value, or a cell, is a list of Label Studio's rectangles."""
    values = [value for value in row.values() if isinstance(value, list | str)]
    return bool(re.search('rectanglelabels|original_width', json.dumps(values)))


def _first_values(path: str, text: str) -> Any:
    """Parse a JSON file, or the first line of a file of one JSON value per line."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        line = next((line for line in text.splitlines() if line.strip()), '')
        return [row for _, row in parse_json_lines(path, line)]
