"""Hooks, registered in mmdet's ``HOOKS``."""

from .data_check_hook import DataCheckHook
from .epoch_seed_hook import EpochSeedHook
from .rec_visualization_hook import RECVisualizationHook
from .tuning_summary_hook import TuningSummaryHook

__all__ = [
    'DataCheckHook',
    'EpochSeedHook',
    'RECVisualizationHook',
    'TuningSummaryHook',
]
