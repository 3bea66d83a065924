"""Hooks, optimisers and the start of programs."""

from .hooks import (
    EpochSeedHook,
    FiniteLossHook,
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
    'FiniteLossHook',
    'MuonAdamW',
    'RECVisualizationHook',
    'TunedOptimWrapperConstructor',
    'TuningSummaryHook',
]
