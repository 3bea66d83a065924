"""Reads what people have: annotations of many formats, as rows by split."""

from .data_changed_error import DataChangedError
from .data_summary import DataSummary
from .export import export_rows
from .prepare import prepare_data
from .source import DATA_FORMATS, SPLITS, refuse_work_dir_around
from .statistics import best_constant_box, relative_boxes

__all__ = [
    'DATA_FORMATS',
    'SPLITS',
    'DataChangedError',
    'DataSummary',
    'best_constant_box',
    'export_rows',
    'prepare_data',
    'refuse_work_dir_around',
    'relative_boxes',
]
