"""Lists in TransVG's layout."""

import io
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from ...checkpoints.torch_file import read_torch
from ..dataset_error import DatasetError
from .fields import to_xyxy, wrong_bbox
from .json_text import read_bytes


def read_transvg(
    path: str | Path, bbox_form: str = 'xyxy'
) -> tuple[list[dict], list[str]]:
    """Read a ``.pth`` list of TransVG (arXiv 2104.08541), without running code from it.

    A row is ``(image, mask file, box, expression, attributes)`` or ``(image, box,
    expression)``; the box, in pixels, may be a numpy array. Nothing in a file says
    which form its boxes have: xywh in those of RefCOCO, RefCOCO+ and RefCOCOg, xyxy in
    those of ReferItGame and Flickr30k Entities.

    Args:
        path (str | Path): The file.
        bbox_form (str): 'xyxy' or 'xywh'.

    Returns:
        tuple[list[dict], list[str]]: Expressions and faults, see
        :meth:`RECFileDataset.load_expressions`. A row's ``sent_id`` is its number.

    Raises:
        DatasetError: The file is missing, damaged, holds anything that could run code,
            or is no list.
    """
    content = io.BytesIO(read_bytes(path))
    try:
        rows, _ = read_torch(content)
    except ValueError as error:
        raise DatasetError(
            [f'{path}: not a list of TransVG: {error}; get the original file again']
        ) from error
    if not isinstance(rows, list):
        raise DatasetError([f'{path}: holds a {type(rows).__name__}, not a list'])

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
        bbox = _to_list(bbox)
        if not isinstance(image, str) or not isinstance(text, str):
            faults.append(f'{entry}: its image or its expression is no text')
        elif wrong_bbox(bbox):
            faults.append(f'{entry}: {wrong_bbox(bbox)}')
        else:
            expressions.append(
                dict(
                    text=text,
                    sent_id=number,
                    image=image,
                    bbox=to_xyxy(bbox, bbox_form),
                    entry=entry,
                )
            )
    return expressions, faults


def _to_list(bbox: Any) -> Any:
    """Turn an array's, tensor's or tuple's numbers into a list."""
    if isinstance(bbox, (np.ndarray, Tensor)):
        return bbox.tolist()
    return list(bbox) if isinstance(bbox, tuple) else bbox
