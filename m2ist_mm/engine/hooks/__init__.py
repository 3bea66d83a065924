"""Hooks, registered in mmdet's ``HOOKS``."""

from .epoch_seed_hook import EpochSeedHook
from .feature_cache_hook import FeatureCacheHook
from .rec_visualization_hook import RECVisualizationHook
from .tuned_checkpoint_hook import TunedCheckpointHook
from .tuned_state_hook import TunedStateHook
from .tuning_summary_hook import TuningSummaryHook

__all__ = [
    'EpochSeedHook',
    'FeatureCacheHook',
    'RECVisualizationHook',
    'TunedCheckpointHook',
    'TunedStateHook',
    'TuningSummaryHook',
]
