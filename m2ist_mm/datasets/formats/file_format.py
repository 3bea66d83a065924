"""The formats of annotation files by their names."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from .coco import read_coco
from .cvat import read_cvat
from .label_studio import read_label_studio
from .mdetr import read_mdetr
from .odvg import read_odvg
from .rows import read_rows
from .swift import read_swift
from .transvg import read_transvg


@dataclass(frozen=True)
class FileFormat:
    """A format of annotation files.

    Attributes:
        read: Reads a file: ``read(path, with_boxes=..., backend_args=..., **options)``
            gives expressions and faults, see :meth:`RECFileDataset.load_expressions`.
            ``with_boxes`` says whether boxes are read, ``backend_args`` where mmengine
            reads the file.
        title: What it is.
        bbox_forms: The values that its option ``bbox_form`` may have; none where there
            is no such option.
        needs_bbox_form: Whether it must be given.
        has_text_field: Whether the user may choose the field of the text.
    """

    read: Callable[..., tuple[list[dict], list[str]]]
    title: str
    bbox_forms: tuple[str, ...] = ()
    needs_bbox_form: bool = False
    has_text_field: bool = False


FORMATS = {
    'rows': FileFormat(
        read_rows, 'own rows, in JSON or CSV', ('xyxy', 'xywh'), has_text_field=True
    ),
    'label-studio': FileFormat(
        read_label_studio, "Label Studio's JSON export", has_text_field=True
    ),
    'cvat': FileFormat(read_cvat, 'CVAT for images 1.1', has_text_field=True),
    'coco': FileFormat(
        read_coco, 'COCO with a text at each annotation', has_text_field=True
    ),
    'odvg': FileFormat(read_odvg, "mmdet's ODVG rows", has_text_field=True),
    'mdetr': FileFormat(read_mdetr, "MDETR's COCO file"),
    'swift': FileFormat(read_swift, "ms-swift's grounding rows"),
    'transvg': FileFormat(
        read_transvg, "TransVG's list", ('xyxy', 'xywh'), needs_bbox_form=True
    ),
}


def build_reader(
    name: str, bbox_form: str | None = None, text_field: str | None = None
) -> Callable[..., tuple[list[dict], list[str]]]:
    """Give the reader of a format with its options.

    Args:
        name: The format.
        bbox_form: 'xyxy' or 'xywh', for 'rows' (where xyxy is the default) and
            'transvg' (where it must be given).
        text_field: The field of the text, where the format leaves it to the user.

    Raises:
        ValueError: There is no such format, or an option does not go with it.
    """
    if name not in FORMATS:
        raise ValueError(
            f'file_format={name!r} is not known; there are {", ".join(FORMATS)}'
        )
    file_format = FORMATS[name]
    allowed = file_format.bbox_forms or (None,)
    if bbox_form not in allowed and (bbox_form or file_format.needs_bbox_form):
        raise ValueError(
            f'bbox_form={bbox_form!r} does not go with files of the format {name!r}: '
            f'it must be {" or ".join(map(repr, allowed))}'
        )
    if text_field is not None and not file_format.has_text_field:
        raise ValueError(
            f'text_field={text_field!r} does not go with files of the format {name!r}, '
            'whose text has its place'
        )
    options = {}
    if bbox_form is not None:
        options['bbox_form'] = bbox_form
    if text_field is not None:
        options['text_field'] = text_field
    return partial(file_format.read, **options)
