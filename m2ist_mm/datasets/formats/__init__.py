"""Readers of annotation files, one module a format."""

from .coco_tables import read_coco_tables
from .fields import duplicates, has_lone_surrogate, read_fields, to_xyxy
from .json_text import read_bytes, read_json
from .mdetr import read_mdetr
from .odvg import read_odvg
from .rows import read_rows
from .transvg import read_transvg

__all__ = [
    'duplicates',
    'has_lone_surrogate',
    'read_bytes',
    'read_coco_tables',
    'read_fields',
    'read_json',
    'read_mdetr',
    'read_odvg',
    'read_rows',
    'read_transvg',
    'to_xyxy',
]
