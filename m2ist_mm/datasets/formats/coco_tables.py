"""The two tables of a COCO file."""

from ..dataset_error import DatasetError
from .fields import duplicates, wrong_field
from .json_text import read_json

_IMAGE_FIELDS = dict(id=int, file_name=str, width=int, height=int)
_ANNOTATION_FIELDS = dict(id=int, image_id=int, bbox=list)


def read_coco_tables(
    path: str,
    image_fields: dict[str, type] | None = None,
    backend_args: dict | None = None,
) -> tuple[dict[int, dict], dict[int, dict], list[str]]:
    """Read images and annotations by id.

    Args:
        path (str): A JSON file in COCO's layout.
        image_fields (dict[str, type], optional): What an image's entry must have
            besides ``id``, ``file_name``, ``width`` and ``height``.
        backend_args (dict, optional): Where mmengine reads it.

    Returns:
        tuple[dict, dict, list[str]]: ``images`` and ``annotations`` by their ``id``,
        in the order of the file, ``None`` in the place of a faulty one, and the faults
        found.

    Raises:
        DatasetError: The file is missing, incomplete or not in COCO's layout.
    """
    content = read_json(path, backend_args)
    tables, faults = [], []
    for name, fields in (
        ('images', {**_IMAGE_FIELDS, **(image_fields or {})}),
        ('annotations', _ANNOTATION_FIELDS),
    ):
        rows = content.get(name) if isinstance(content, dict) else None
        if not isinstance(rows, list):
            raise DatasetError(
                [f'{path}: has no list {name!r}; it must be a COCO file']
            )
        table, ids = {}, []
        for number, row in enumerate(rows):
            wrong = wrong_field(row, fields)
            if wrong:
                faults.append(f'{path}: {name} entry {number}: {wrong}')
            if not wrong_field(row, dict(id=int)):
                ids.append(row['id'])
                table[row['id']] = None if wrong else row
        faults += duplicates(path, f'{name} id', ids)
        tables.append(table)
    return *tables, faults
