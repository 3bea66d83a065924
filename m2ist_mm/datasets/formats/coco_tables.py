"""The two tables of a COCO file."""

from collections.abc import Mapping
from typing import Any

from ..dataset_error import DatasetError
from .fields import duplicates, read_fields
from .json_text import read_json

_IMAGE_FIELDS = dict(id=int, file_name=str, width=int, height=int)
_ANNOTATION_FIELDS = dict(id=int | str, image_id=int, bbox=list)


def read_coco_tables(
    path: str,
    image_fields: Mapping[str, type] | None = None,
    with_boxes: bool = True,
    backend_args: dict | None = None,
) -> tuple[dict[int, dict | str], dict[int | str, dict | str], list[str]]:
    """Read images and annotations of a JSON file in COCO's layout by id.

    Args:
        path (str): The file.
        image_fields (Mapping[str, type], optional): See :func:`coco_tables`.
        with_boxes (bool): Whether annotations are read.
        backend_args (dict, optional): Where mmengine reads it.

    Returns:
        tuple[dict, dict, list[str]]: See :func:`coco_tables`.

    Raises:
        DatasetError: The file is missing, incomplete or not in COCO's layout.
    """
    content = read_json(path, backend_args)
    return coco_tables(path, content, image_fields, with_boxes)


def coco_tables(
    path: str,
    content: Any,
    image_fields: Mapping[str, type] | None = None,
    with_boxes: bool = True,
) -> tuple[dict[int, dict | str], dict[int | str, dict | str], list[str]]:
    """Take images and annotations by id from the content of a COCO file.

    Args:
        path (str): What messages call the file.
        content (Any): What it holds.
        image_fields (Mapping[str, type], optional): What an image's entry must have
            besides ``id``, ``file_name``, ``width`` and ``height``.
        with_boxes (bool): Whether annotations are read.

    Returns:
        tuple[dict, dict, list[str]]: ``images`` and ``annotations`` by their ``id``,
        in the order of the file; in the place of a faulty one its fault, which counts
        only if an expression needs the entry; and the faults of the file itself.

    Raises:
        DatasetError: It is not in COCO's layout.
    """
    tables, faults = [], []
    for name, fields in (
        ('images', {**_IMAGE_FIELDS, **(image_fields or {})}),
        ('annotations', _ANNOTATION_FIELDS),
    ):
        if name == 'annotations' and not with_boxes:
            tables.append({})
            continue
        rows = content.get(name) if isinstance(content, dict) else None
        if not isinstance(rows, list):
            raise DatasetError(f'{path}: has no list {name!r}; it must be a COCO file')
        table, ids = {}, []
        for number, row in enumerate(rows):
            entry = f'{path}: {name} entry {number}'
            try:
                key = read_fields(row, dict(id=fields['id']))['id']
            except ValueError as error:
                faults.append(f'{entry}: {error}')
                continue
            ids.append(key)
            try:
                table[key] = {**row, **read_fields(row, fields)}
            except ValueError as error:
                table[key] = f'{entry}: {error}'
        faults += duplicates(path, f'{name} id', ids)
        tables.append(table)
    return *tables, faults
