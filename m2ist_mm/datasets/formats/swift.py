"""ms-swift's rows of grounding."""

import re
from typing import Any

from .fields import read_boxes, read_fields
from .json_text import parse_json_rows, read_text

_UNITS = dict(real='pixel', norm1='relative')


def read_swift(
    path: str, with_boxes: bool = True, backend_args: dict | None = None
) -> tuple[list[dict], list[str]]:
    """Read rows with ``images`` and ``objects``, a JSON list or one value per line.

    ``images`` are paths, or dicts with a ``path``.
    ``objects`` has the expressions ``ref`` and the boxes ``bbox``, xyxy, in pixels
    (``bbox_type`` 'real', the default) or relative to the image ('norm1'). A box
    belongs to the last ``<ref-object>`` before its ``<bbox>`` in the ``messages``, so
    an expression may have several boxes or none. Of as many boxes as expressions, each
    belongs to the expression of its number if these marks do not say it: if they are
    missing, or all boxes follow all expressions. ``image_id`` says which image each box
    is on.

    Args:
        path, with_boxes, backend_args: See :class:`FileFormat`.

    Returns:
        tuple[list[dict], list[str]]: Expressions and faults, see
        :meth:`RECFileDataset.load_expressions`. ``origins`` are (row, expression).

    Raises:
        DatasetError: The file is missing or incomplete.
    """
    expressions, faults = [], []
    for number, (entry, row) in enumerate(
        parse_json_rows(path, read_text(path, backend_args))
    ):
        try:
            found = _read_row(row)
        except ValueError as error:
            faults.append(f'{entry}: {error}')
            continue
        for index, expression in enumerate(found):
            expression.update(
                sent_id=len(expressions),
                entry=f'{entry}, ref {index}',
                origins=[[number, index]],
            )
            if not with_boxes:
                del expression['boxes']
            expressions.append(expression)
    return expressions, faults


def _read_row(row: dict) -> list[dict]:
    """Read the expressions of a row.

    Raises:
        ValueError: A key is missing or of another type, or it is not known which box
            belongs to which expression.
    """
    values = read_fields(row, dict(images=list | str | dict, objects=dict))
    images = values['images']
    images = images if isinstance(images, list) else [images]
    objects = read_fields(
        values['objects'],
        dict(ref=list, bbox=object),  # a list of boxes
        dict(bbox_type=str, image_id=list),
    )
    unit = objects.get('bbox_type', 'real')
    if unit not in _UNITS:
        raise ValueError(f"its 'bbox_type' is {unit!r}, not 'real' or 'norm1'")
    boxes = read_boxes(objects)
    owners = _owners(row, len(objects['ref']), len(boxes))
    on = objects.get('image_id', [0] * len(boxes))
    if len(on) != len(boxes):
        raise ValueError(f"its 'image_id' has {len(on)} entries for {len(boxes)} boxes")
    expressions = []
    for index, text in enumerate(objects['ref']):
        own = [n for n, owner in enumerate(owners) if owner == index]
        position, *others = [on[n] for n in own] or [0]
        if any(other != position for other in others):
            raise ValueError(f'its ref {index} has boxes on several images')
        if not isinstance(position, int) or not 0 <= position < len(images):
            raise ValueError(f'it has no image {position!r}; has {len(images)}')
        read = read_fields(
            dict(text=text, image=_path(images[position])), dict(text=str, image=str)
        )
        read['boxes'] = [boxes[n] for n in own]
        if unit != 'real':
            read['box_unit'] = _UNITS[unit]
        expressions.append(read)
    return expressions


def _path(image: Any) -> Any:
    """Give the path of an image, which may be a dict with it.

    Raises:
        ValueError: It holds the content of the image instead.
    """
    if not isinstance(image, dict):
        return image
    if image.get('path') is None and image.get('bytes') is not None:
        raise ValueError(
            'its image is bytes without a path: write it into a file, and name that'
        )
    return read_fields(image, dict(path=str))['path']


def _owners(row: dict, refs: int, boxes: int) -> list[int]:
    """Say which expression each box belongs to.

    Raises:
        ValueError: The messages do not say it, nor do the numbers.
    """
    messages = row.get('messages')
    said = ' '.join(
        message['content']
        for message in (messages if isinstance(messages, list) else [])
        if isinstance(message, dict) and isinstance(message.get('content'), str)
    )
    owners, current = [], -1
    for mark in re.findall('<ref-object>|<bbox>', said):
        if mark == '<bbox>':
            owners.append(current)
        else:
            current += 1
    marked = len(owners) == boxes and current + 1 == refs and -1 not in owners
    # boxes that all follow the last expression are a list for the list before them
    if refs == boxes and not (marked and set(owners) != {refs - 1}):
        return list(range(refs))
    if marked:
        return owners
    if refs == 1:
        return [0] * boxes
    raise ValueError(
        f'its {boxes} boxes do not go with its {refs} expressions (ref), and its '
        'messages do not say which belongs to which'
    )
