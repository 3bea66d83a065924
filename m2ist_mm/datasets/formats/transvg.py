"""Lists in TransVG's layout."""

import io

from ...checkpoints.torch_file import read_torch
from ..dataset_error import DatasetError
from .fields import read_fields, to_xyxy
from .json_text import read_bytes

_UNBOXED = dict(image=str, expression=str)
_REQUIRED = dict(**_UNBOXED, bbox=list)


def read_transvg(
    path: str,
    bbox_form: str = 'xyxy',
    with_boxes: bool = True,
    backend_args: dict | None = None,
) -> tuple[list[dict], list[str]]:
    """Read a ``.pth`` list of TransVG (arXiv 2104.08541), without running code from it.

    A row is ``(image, mask file, box, expression, attributes)`` or ``(image, box,
    expression)``; the box, in pixels, may be a numpy array. Nothing in a file says
    which form its boxes have: xywh in those of RefCOCO, RefCOCO+ and RefCOCOg, xyxy in
    those of ReferItGame and Flickr30k Entities.

    Args:
        path, with_boxes, backend_args: See :class:`FileFormat`.
        bbox_form (str): 'xyxy' or 'xywh'.

    Returns:
        tuple[list[dict], list[str]]: Expressions and faults, see
        :meth:`RECFileDataset.load_expressions`. A row's ``sent_id`` is its number.

    Raises:
        DatasetError: The file is missing, damaged, holds anything that could run code,
            or is no list.
    """
    content = io.BytesIO(read_bytes(path, backend_args))
    try:
        rows, _ = read_torch(content)
    except ValueError as error:
        raise DatasetError(
            f'{path}: not a list of TransVG: {error}; get the original file again'
        ) from error
    if not isinstance(rows, list):
        raise DatasetError(f'{path}: holds a {type(rows).__name__}, not a list')

    expressions, faults = [], []
    for number, row in enumerate(rows):
        entry = f'{path}: entry {number}'
        if not isinstance(row, (tuple, list)) or len(row) not in (3, 5):
            faults.append(
                f'{entry}: is not (image, mask file, box, expression, attributes) or '
                '(image, box, expression)'
            )
            continue
        image, (bbox, text) = row[0], row[1:3] if len(row) == 3 else row[2:4]
        values = dict(image=image, expression=text, bbox=bbox)
        try:
            values = read_fields(values, _REQUIRED if with_boxes else _UNBOXED)
        except ValueError as error:
            faults.append(f'{entry}: {error}')
            continue
        expression = dict(
            text=values['expression'],
            sent_id=number,
            image=values['image'],
            entry=entry,
            origins=[number],
        )
        if with_boxes:
            expression['bbox'] = to_xyxy(values['bbox'], bbox_form)
        expressions.append(expression)
    return expressions, faults
