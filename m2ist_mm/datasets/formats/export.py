"""Writes marks of single entries back into annotation files."""

import csv
import io
import json
from collections.abc import Callable, Mapping
from typing import Any

from .json_text import parse_json, parse_json_rows, read_text
from .label_studio import region_of
from .rows import CSV_SUFFIXES, split_separator

Marks = Mapping[Any, Mapping[str, Any]]


def mark_rows(path: str, marks: Marks) -> str:
    """Add keys, or columns, to rows of the format 'rows'.

    Args:
        path: The annotation file.
        marks: By the number of the row, what it gets.

    Returns:
        The text of the file with the marks.
    """
    text = read_text(path)
    if path.lower().endswith(CSV_SUFFIXES):
        return _mark_table(path, text, marks)
    rows = [
        {**row, **marks[number]} if number in marks else row
        for number, (_, row) in enumerate(parse_json_rows(path, text))
    ]
    if text.lstrip().startswith('['):
        return json.dumps(rows, ensure_ascii=False, indent=1)
    return ''.join(json.dumps(row, ensure_ascii=False) + '\n' for row in rows)


def mark_label_studio(path: str, marks: Marks) -> str:
    """Add marks to regions of an export of Label Studio, which can be imported again.

    A region gets them as one more note, ``meta.text``, which Label Studio shows;
    its task gets the highest value of each mark that is a number in ``data``, by which
    the list of tasks can be sorted and filtered.

    Args:
        path: The export.
        marks: By (task, annotation, region), what the region gets.

    Returns:
        The text of the file with the marks.
    """
    tasks = parse_json(path, read_text(path))
    highest = {}
    for (task, annotation, region), mark in marks.items():
        data = tasks[task]['data']
        for key, value in mark.items():
            if isinstance(value, int | float):
                highest[task, key] = max(value, highest.get((task, key), value))
                data[key] = highest[task, key]
        note = ', '.join(f'{key}: {value}' for key, value in mark.items())
        for result in tasks[task]['annotations'][annotation]['result']:
            if isinstance(result, dict) and region_of(result) == region:
                meta = result.get('meta') or {}
                written = meta.get('text') or []
                notes = written if isinstance(written, list) else [written]
                result['meta'] = {**meta, 'text': [*notes, note]}
    return json.dumps(tasks, ensure_ascii=False)


def mark_coco(path: str, marks: Marks) -> str:
    """Add marks to annotations of a COCO file, or to their ``attributes`` if any.

    Args:
        path: The file.
        marks: By the annotation's id, what it gets.

    Returns:
        The text of the file with the marks.
    """
    content = parse_json(path, read_text(path))
    for annotation in content['annotations']:
        # entries that a reader left out may be anything
        key = annotation.get('id') if isinstance(annotation, dict) else None
        if isinstance(key, int | float | str) and key in marks:
            attributes = annotation.get('attributes')
            marked = attributes if isinstance(attributes, dict) else annotation
            marked.update(marks[key])
    return json.dumps(content, ensure_ascii=False)


def _mark_table(path: str, text: str, marks: Marks) -> str:
    """Add columns behind those of a table; all others stay as they are written."""
    first, separator, text = split_separator(text)
    names = list(dict.fromkeys(key for mark in marks.values() for key in mark))
    written = io.StringIO(newline='')
    writer = csv.writer(written, delimiter=separator, lineterminator='\n')
    lines = csv.reader(io.StringIO(text, newline=''), delimiter=separator)
    writer.writerow([*next(lines), *names])
    # empty lines are no rows
    for number, cells in enumerate(filter(None, lines)):
        mark = marks.get(number, {})
        writer.writerow([*cells, *(mark.get(name, '') for name in names)])
    return first + written.getvalue()


EXPORTS: dict[str, Callable[[str, Marks], str]] = {
    'rows': mark_rows,
    'label-studio': mark_label_studio,
    'coco': mark_coco,
}
