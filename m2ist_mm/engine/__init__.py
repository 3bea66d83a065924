"""Hooks, optimisers and the start of programs."""

from .hooks import (
    DataCheckHook,
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
    'DataCheckHook',
    'EpochSeedHook',
    'MuonAdamW',
    'RECVisualizationHook',
    'TunedOptimWrapperConstructor',
    'TuningSummaryHook',
]
