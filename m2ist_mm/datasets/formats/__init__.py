"""Readers of annotation files, one module a format."""

from .coco_tables import read_coco_tables
from .export import EXPORTS
from .fields import duplicates, read_fields, to_xyxy
from .file_format import FORMATS, FileFormat, build_reader
from .json_text import read_bytes, read_json
from .one_box import SEVERAL, keep_one_box
from .recognise import ANNOTATION_SUFFIXES, REFER, recognise_format

__all__ = [
    'ANNOTATION_SUFFIXES',
    'EXPORTS',
    'FORMATS',
    'REFER',
    'SEVERAL',
    'FileFormat',
    'build_reader',
    'duplicates',
    'keep_one_box',
    'read_bytes',
    'read_coco_tables',
    'read_fields',
    'read_json',
    'recognise_format',
    'to_xyxy',
]
