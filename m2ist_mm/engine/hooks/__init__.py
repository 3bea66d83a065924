"""Hooks, registered in mmdet's ``HOOKS``."""

from .epoch_seed_hook import EpochSeedHook
from .finite_loss_hook import FiniteLossHook
from .rec_visualization_hook import RECVisualizationHook
from .tuning_summary_hook import TuningSummaryHook

__all__ = [
    'EpochSeedHook',
    'FiniteLossHook',
    'RECVisualizationHook',
    'TuningSummaryHook',
]
