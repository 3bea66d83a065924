"""Writes what was found out about rows back into the format that they came in."""

import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...atomic_file import write_atomically
from ...datasets.formats import EXPORTS
from .data_summary import DataSummary
from .source import SPLITS


def export_rows(
    work_dir: str | Path, marks: Mapping[int, Mapping[str, Any]], folder: str | Path
) -> list[Path]:
    """Write copies of the annotation files with marks at single expressions.

    Rows, Label Studio's exports and COCO files keep their format; for all others one
    file ``marked.jsonl`` of the rows that were made of them is written.

    Args:
        work_dir: Where :func:`prepare_data` wrote.
        marks: By ``sent_id``, what the row gets, such as ``dict(suspicion=0.93,
            reason='box of another sentence')``. Where several expressions are of one
            entry of the file, the first mark counts.
        folder: Where the copies go; never that of the annotations.

    Returns:
        The files that were written.

    Raises:
        ValueError: The copies would replace the annotations.
    """
    summary = DataSummary.load(work_dir)
    rows = [row for split in SPLITS for row in summary.rows(split)]
    folder = Path(folder).resolve()
    if summary.data_format not in EXPORTS:
        path = folder / 'marked.jsonl'
        marked = ({**row, **marks.get(row['sent_id'], {})} for row in rows)
        lines = [json.dumps(row, ensure_ascii=False) + '\n' for row in marked]
        write_atomically(path, ''.join(lines).encode())
        return [path]
    by_file = defaultdict(dict)
    origins = {row['sent_id']: row['origin'] for row in rows}
    for number, mark in marks.items():
        file, *places = origins[number]
        for place in places:
            key = tuple(place) if isinstance(place, list) else place
            by_file[file].setdefault(key, mark)
    source = Path(summary.source)
    source = source.parent if source.is_file() else source
    written = []
    for file in summary.fingerprint['files']:
        path = folder / file
        if path == source / file:
            raise ValueError(f'{path}: would be replaced; name another folder')
        text = EXPORTS[summary.data_format](str(source / file), by_file[file])
        # half a surrogate pair can stand in JSON as an escape alone
        write_atomically(path, text.encode(errors='backslashreplace'))
        written.append(path)
    return written
