"""Hooks, optimisers and the start of programs."""

from .hooks import (
    EpochSeedHook,
    RECVisualizationHook,
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
    'MuonAdamW',
    'RECVisualizationHook',
    'TunedOptimWrapperConstructor',
    'TuningSummaryHook',
]
