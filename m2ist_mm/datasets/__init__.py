"""Datasets and transforms of referring expression comprehension."""

from .dataset_error import DatasetError
from .dataset_report import DatasetReport, report_dataset
from .published_counts import PUBLISHED_COUNTS
from .rec_dataset import RECDataset
from .rec_file_dataset import RECFileDataset
from .refer_dataset import ReferDataset
from .refer_pickle import load_refs
from .transforms import (
    ApplyUnlessDirection,
    ColorJitter,
    LoadRECImage,
    PackRECInputs,
    PadToCanvas,
    RECRandomFlip,
    ReferentCrop,
    ResizeToFit,
)

__all__ = [
    'PUBLISHED_COUNTS',
    'ApplyUnlessDirection',
    'ColorJitter',
    'DatasetError',
    'DatasetReport',
    'LoadRECImage',
    'PackRECInputs',
    'PadToCanvas',
    'RECDataset',
    'RECFileDataset',
    'RECRandomFlip',
    'ReferDataset',
    'ReferentCrop',
    'ResizeToFit',
    'load_refs',
    'report_dataset',
]
