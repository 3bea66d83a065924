"""Hooks, optimisers and the start of programs."""

from .hooks import (
    COCOLeakHook,
    DataCheckHook,
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
    'COCOLeakHook',
    'DataCheckHook',
    'EpochSeedHook',
    'FiniteLossHook',
    'MuonAdamW',
    'RECVisualizationHook',
    'TunedOptimWrapperConstructor',
    'TuningSummaryHook',
]
