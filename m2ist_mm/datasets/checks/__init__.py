"""Checks of what was read from a dataset's files."""

from .expressions import check_expressions
from .images import check_decoding, find_missing_images, read_sizes

__all__ = [
    'check_decoding',
    'check_expressions',
    'find_missing_images',
    'read_sizes',
]
