"""Readers of annotation files, one module a format."""

from .coco_tables import read_coco_tables
from .fields import duplicates, wrong_field
from .json_text import read_json, read_json_lines
from .mdetr import read_mdetr
from .odvg import read_odvg
from .rows import read_rows
from .transvg import read_transvg

__all__ = [
    'duplicates',
    'read_coco_tables',
    'read_json',
    'read_json_lines',
    'read_mdetr',
    'read_odvg',
    'read_rows',
    'read_transvg',
    'wrong_field',
]
