"""Hooks, registered in mmdet's ``HOOKS``."""

from .coco_leak_hook import COCOLeakHook
from .data_check_hook import DataCheckHook
from .epoch_seed_hook import EpochSeedHook
from .finite_loss_hook import FiniteLossHook
from .rec_visualization_hook import RECVisualizationHook
from .tuning_summary_hook import TuningSummaryHook

__all__ = [
    'COCOLeakHook',
    'DataCheckHook',
    'EpochSeedHook',
    'FiniteLossHook',
    'RECVisualizationHook',
    'TuningSummaryHook',
]
