"""Format of your own data: one row per expression, in JSON or CSV."""

import csv
import io
import json
import re
from collections.abc import Iterable
from itertools import chain, count

from ..dataset_error import DatasetError
from .fields import read_boxes, read_fields, to_xyxy
from .json_text import parse_json_rows, read_text

_OPTIONAL = dict(split=str, sent_id=int, kind=str)
CSV_SUFFIXES = ('.csv', '.tsv')
# columns of a table that hold one number of a box each, and the form of the box
BOX_COLUMNS = {('x1', 'y1', 'x2', 'y2'): 'xyxy', ('x', 'y', 'w', 'h'): 'xywh'}
_COLUMNS = {'image', 'expression', 'bbox', *_OPTIONAL, *chain(*BOX_COLUMNS)}
# what tables of other tools call their columns
_OTHER_NAMES = dict(
    image=('filename', 'file_name', 'image_path', 'image_name', 'img', 'file', 'path'),
    x1=('xmin', 'x_min', 'left'),
    y1=('ymin', 'y_min', 'top'),
    x2=('xmax', 'x_max', 'right'),
    y2=('ymax', 'y_max', 'bottom'),
    w=('width',),
    h=('height',),
)
_TEXTS = ('caption', 'sentence', 'phrase', 'description', 'text', 'query')


def read_rows(
    path: str,
    bbox_form: str | None = None,
    text_field: str | None = None,
    with_boxes: bool = True,
    backend_args: dict | None = None,
) -> tuple[list[dict], list[str]]:
    """Read one row per expression: a JSON list, a JSON value per line, or a table.

    A row has ``image`` (path below the image folder), ``expression`` and ``bbox`` (one
    box, or a list of several or none), and may have ``split``, ``sent_id`` (int; its
    number unless given, or a number that no row has) and ``kind`` (what the metric
    reports apart). Other keys are passed over.

    A table (``.csv``, ``.tsv``) names these columns in its first line. Its ``bbox`` is
    a cell of four numbers, or the columns ``x1``, ``y1``, ``x2``, ``y2``, or ``x``,
    ``y``, ``w``, ``h`` (left, top, width, height). Capitals in these names do not
    matter, and the usual other names, such as ``filename`` and ``xmin``, will do.

    Args:
        path, with_boxes, backend_args: See :class:`FileFormat`.
        bbox_form (str, optional): What ``bbox`` holds, 'xyxy' (two corners, the
            default) or 'xywh' (a corner and the size). Columns say it by their names.
        text_field (str, optional): The key of the text. Unless given it is
            'expression', or else the one of the usual other names that is there, such
            as 'caption'.

    Returns:
        tuple[list[dict], list[str]]: Expressions and faults, see
        :meth:`RECFileDataset.load_expressions`. A row's ``origins`` are its number.

    Raises:
        DatasetError: The file is missing or incomplete, no row has a text or a box, or
            the columns of the box contradict ``bbox_form``.
    """
    text = read_text(path, backend_args)
    if path.lower().endswith(CSV_SUFFIXES):
        rows = parse_table(path, text)
    else:
        rows = parse_json_rows(path, text)
    keys = dict.fromkeys(key for _, row in rows if isinstance(row, dict) for key in row)
    name = text_field or _text_key(keys)
    if name not in keys and name.lower() in _COLUMNS:
        name = name.lower()  # as the table's columns are called here
    if keys and name not in keys:
        fields = ', '.join(map(repr, keys))
        raise DatasetError(
            f'{path}: no row has {name!r}; name the field that holds the text by '
            f'text_field; the fields are {fields:.300}'
        )
    if with_boxes and keys:
        _check_columns(path, keys, bbox_form)
    expressions, faults = [], []
    for number, (entry, row) in enumerate(rows):
        try:
            values = read_fields(row, {'image': str, name: str}, _OPTIONAL)
            boxes = dict(boxes=_boxes(row, bbox_form or 'xyxy')) if with_boxes else {}
        except ValueError as error:
            faults.append(f'{entry}: {error}')
            continue
        expressions.append(
            dict(
                text=values[name],
                number=number,
                image=values['image'],
                entry=entry,
                origins=[number],
                text_fields=[name] if name != 'expression' else [],
                **{key: values[key] for key in _OPTIONAL if key in values},
                **boxes,
            )
        )
    _number(expressions, len(rows))
    return expressions, faults


def parse_table(path: str, text: str) -> list[tuple[str, dict]]:
    """Parse a table with a line of names; columns are parted by comma, ; or tab.

    Excel's line ``sep=;`` above it may name another separator.

    Returns:
        list[tuple[str, dict]]: Each row after its place ('FILE: line 3'). Empty cells
        are ``None``, a ``sent_id`` is a number, a cell ``bbox`` a list.

    Raises:
        DatasetError: A row has more or fewer cells than there are columns, or a quote
            is never closed.
    """
    first, separator, text = split_separator(text)
    header = text.partition('\n')[0]
    reader = csv.DictReader(
        io.StringIO(text, newline=''),
        delimiter=separator,
        strict=True,  # else a quote that is never closed swallows rows
    )
    above = bool(first)
    rows = []
    try:
        columns = _columns(reader.fieldnames or ())
        if len(set(columns)) < len(columns):
            raise csv.Error(f'a name occurs twice: {header.strip():.200}')
        for cells in reader:
            entry = f'{path}: line {reader.line_num + above}'
            if None in cells or None in cells.values():
                how = 'more' if None in cells else 'fewer'
                raise DatasetError(
                    f'{entry} has {how} cells than there are columns; a text with '
                    'the separator in it must stand in quotes'
                )
            row = {
                name: value.strip() or None
                for name, value in zip(columns, cells.values(), strict=True)
            }
            if re.fullmatch(r'\d{1,18}', row.get('sent_id') or ''):
                row['sent_id'] = int(row['sent_id'])
            if row.get('bbox') is not None:
                row['bbox'] = _parse_box(row['bbox'])
            rows.append((entry, row))
    except csv.Error as error:
        raise DatasetError(
            f'{path}: line {reader.line_num + above} is no row of a table: {error}'
        ) from error
    return rows


def _columns(header: Iterable[str]) -> list[str]:
    """Give the names of columns as they are called here, as far as they are known."""
    names = [name.strip() for name in header]
    names = [name.lower() if name.lower() in _COLUMNS else name for name in names]
    for known, others in _OTHER_NAMES.items():
        found = [name for name in names if name.lower() in others]
        if known not in names and len(found) == 1:
            names[names.index(found[0])] = known
    return names


def _text_key(keys: Iterable[str]) -> str:
    """The key of the text where the user names none."""
    usual = [key for key in keys if str(key).lower() in _TEXTS]
    return usual[0] if 'expression' not in keys and len(usual) == 1 else 'expression'


def split_separator(text: str) -> tuple[str, str, str]:
    """Say what parts the columns of a table.

    Returns:
        tuple[str, str, str]: Excel's line ``sep=;`` if there is one, the separator, and
        the text from the line of names on.
    """
    text = text.removeprefix('\ufeff')
    named = re.match(r'"?sep=([^\w\r\n"])"?\r?\n', text, re.IGNORECASE)
    if named:
        return named[0], named[1], text[named.end() :]
    return '', max(',;\t', key=text.partition('\n')[0].count), text


def _parse_box(cell: str) -> object:
    """Parse a cell such as '[10, 20, 30, 40]' or '10 20 30 40'; what is none stays."""
    try:
        return json.loads(cell)
    except ValueError:
        pass
    try:
        return [float(number) for number in re.split(r'[\s,;]+', cell.strip('[]() '))]
    except ValueError:
        return cell


def _check_columns(path: str, keys: Iterable[str], bbox_form: str | None) -> None:
    """Look whether there are boxes, of the form that the user said.

    Raises:
        DatasetError: There are none, or they are of another form.
    """
    forms = {n: form for n, form in BOX_COLUMNS.items() if set(n) <= set(keys)}
    if 'bbox' not in keys and not forms:
        columns = ', or '.join(' '.join(names) for names in BOX_COLUMNS)
        raise DatasetError(
            f"{path}: no row has a 'bbox' (or the four columns {columns}); the fields "
            f'are {", ".join(map(repr, keys)):.300}'
        )
    if 'bbox' in keys:
        return
    (names, form), *_ = forms.items()
    if bbox_form not in (None, form):
        right = next(n for n, other in BOX_COLUMNS.items() if other == bbox_form)
        raise DatasetError(
            f'{path}: its columns {", ".join(names)} are {form}, which '
            f'bbox_form={bbox_form!r} contradicts: leave it out, or call the columns '
            f'{", ".join(right)} if they hold that'
        )


def _boxes(row: dict, bbox_form: str) -> list[list[float]]:
    """Read the boxes of a row, from its ``bbox`` or from four columns.

    Raises:
        ValueError: There are none of both, or they are no boxes.
    """
    for names, form in BOX_COLUMNS.items():
        if 'bbox' not in row and all(name in row for name in names):
            cells = [row[name] for name in names]
            if cells == [None] * 4:
                return []
            try:
                box = [float(cell) for cell in cells]
            except (TypeError, ValueError, OverflowError):
                raise ValueError(
                    f'its {", ".join(names)} are {cells!s:.80}, not four numbers'
                ) from None
            return [to_xyxy(box, form)]
    return [to_xyxy(box, bbox_form) for box in read_boxes(row)]


def _number(expressions: list[dict], rows: int) -> None:
    """Give each row without ``sent_id`` its number, or one that no row has."""
    given = {e['sent_id'] for e in expressions if 'sent_id' in e}
    free = (number for number in count(rows) if number not in given)
    for expression in expressions:
        number = expression.pop('number')
        if 'sent_id' not in expression:
            expression['sent_id'] = next(free) if number in given else number
