"""Format of your own data: one JSON row per expression."""

from itertools import count

from .fields import read_fields, to_xyxy
from .json_text import parse_json, parse_json_lines, read_text

_UNBOXED = dict(image=str, expression=str)
_REQUIRED = dict(**_UNBOXED, bbox=list)
_OPTIONAL = dict(split=str, sent_id=int, kind=str)


def read_rows(
    path: str,
    bbox_form: str = 'xyxy',
    with_boxes: bool = True,
    backend_args: dict | None = None,
) -> tuple[list[dict], list[str]]:
    """Read one row per expression, from a JSON list or from one JSON value per line.

    A row has ``image`` (path below the image folder), ``expression`` and ``bbox``,
    and may have ``split``, ``sent_id`` (int; its number unless given, or a number that
    no row has) and ``kind`` (what the metric reports apart). Other keys are passed
    over.

    Args:
        path (str): The file.
        bbox_form (str): 'xyxy' (two corners) or 'xywh' (a corner and the size).
        with_boxes (bool): Whether boxes are read.
        backend_args (dict, optional): Where mmengine reads it.

    Returns:
        tuple[list[dict], list[str]]: Expressions and faults, see
        :meth:`RECFileDataset.load_expressions`.

    Raises:
        DatasetError: The file is missing or incomplete.
    """
    text = read_text(path, backend_args)
    if text.lstrip().startswith('['):
        content = parse_json(path, text)
        rows = [(f'{path}: entry {n}', row) for n, row in enumerate(content)]
    else:
        rows = parse_json_lines(path, text)
    required = _REQUIRED if with_boxes else _UNBOXED
    expressions, faults = [], []
    for number, (entry, row) in enumerate(rows):
        try:
            values = read_fields(row, required, _OPTIONAL)
        except ValueError as error:
            faults.append(f'{entry}: {error}')
            continue
        expression = dict(
            text=values['expression'],
            number=number,
            image=values['image'],
            entry=entry,
            **{key: values[key] for key in _OPTIONAL if key in values},
        )
        if with_boxes:
            expression['bbox'] = to_xyxy(values['bbox'], bbox_form)
        expressions.append(expression)
    _number(expressions, len(rows))
    return expressions, faults


def _number(expressions: list[dict], rows: int) -> None:
    """Give each row without ``sent_id`` its number, or one that no row has."""
    given = {e['sent_id'] for e in expressions if 'sent_id' in e}
    free = (number for number in count(rows) if number not in given)
    for expression in expressions:
        number = expression.pop('number')
        if 'sent_id' not in expression:
            expression['sent_id'] = next(free) if number in given else number
