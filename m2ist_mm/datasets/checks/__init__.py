"""Checks of what was read from a dataset's files."""

from .arguments import check_arguments
from .box_units import BOX_UNITS, convert_boxes, looks_like_unit
from .expressions import check_expressions
from .images import check_decoding, check_sizes, find_images, other_coco_names
from .repetitions import find_repetitions

__all__ = [
    'BOX_UNITS',
    'check_arguments',
    'check_decoding',
    'check_expressions',
    'check_sizes',
    'convert_boxes',
    'find_images',
    'find_repetitions',
    'looks_like_unit',
    'other_coco_names',
]
