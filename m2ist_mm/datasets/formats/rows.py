"""The format for data of one's own."""

import codecs

from .fields import to_xyxy, wrong_field
from .json_text import read_bytes, read_json, read_json_lines

_REQUIRED = dict(image=str, expression=str, bbox=list)
_OPTIONAL = dict(split=str, sent_id=int, kind=str)


def read_rows(
    path: str, bbox_form: str = 'xyxy', backend_args: dict | None = None
) -> tuple[list[dict], list[str]]:
    """Read one row per expression, from a JSON list or from one JSON value per line.

    A row has ``image`` (path below the image folder), ``expression`` and ``bbox``
    (pixels), and may have ``split``, ``sent_id`` (int, its number unless given) and
    ``kind`` (what the metric reports apart). Other keys are passed over.

    Args:
        path (str): The file.
        bbox_form (str): 'xyxy' (two corners) or 'xywh' (a corner and the size).
        backend_args (dict, optional): Where mmengine reads it.

    Returns:
        tuple[list[dict], list[str]]: Expressions and faults, see
        :meth:`RECFileDataset.load_expressions`.

    Raises:
        DatasetError: The file is missing or incomplete.
    """
    content = read_bytes(path, backend_args).removeprefix(codecs.BOM_UTF8)
    if content.lstrip().startswith(b'['):
        content = read_json(path, backend_args)
        rows = [(f'{path}: entry {n}', row) for n, row in enumerate(content)]
    else:
        rows = read_json_lines(path, backend_args)
    expressions, faults = [], []
    for number, (entry, row) in enumerate(rows):
        wrong = wrong_field(row, _REQUIRED) or wrong_field(
            row, {key: kind for key, kind in _OPTIONAL.items() if key in row}
        )
        if wrong:
            faults.append(f'{entry}: {wrong}')
            continue
        expressions.append(
            dict(
                text=row['expression'],
                sent_id=row.get('sent_id', number),
                image=row['image'],
                bbox=to_xyxy(row['bbox'], bbox_form),
                entry=entry,
                **{key: row[key] for key in ('split', 'kind') if key in row},
            )
        )
    return expressions, faults
