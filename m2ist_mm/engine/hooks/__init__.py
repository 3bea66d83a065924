"""Hooks, registered in mmdet's ``HOOKS``."""

from .epoch_seed_hook import EpochSeedHook
from .rec_visualization_hook import RECVisualizationHook
from .tuning_summary_hook import TuningSummaryHook

__all__ = [
    'EpochSeedHook',
    'RECVisualizationHook',
    'TuningSummaryHook',
]
