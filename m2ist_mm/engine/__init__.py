"""Checkpoints, hooks, optimisers and the start of programs."""

from . import checkpoint_loader  # noqa: F401  (registers the loaders that run no code)
from .hooks import (
    EpochSeedHook,
    FeatureCacheHook,
    RECVisualizationHook,
    TunedCheckpointHook,
    TunedStateHook,
    TuningSummaryHook,
)
from .optimizers import (
    AutocastOptimWrapper,
    MuonAdamW,
    TunedOptimWrapperConstructor,
)

__all__ = [
    'AutocastOptimWrapper',
    'EpochSeedHook',
    'FeatureCacheHook',
    'MuonAdamW',
    'RECVisualizationHook',
    'TunedCheckpointHook',
    'TunedOptimWrapperConstructor',
    'TunedStateHook',
    'TuningSummaryHook',
]
