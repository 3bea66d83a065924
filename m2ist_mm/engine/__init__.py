"""Hooks, loops, optimisers and the start of programs."""

from .hooks import (
    COCOLeakHook,
    DataCheckHook,
    EpochSeedHook,
    FiniteLossHook,
    RECVisualizationHook,
    TuningSummaryHook,
)
from .loops import MicroBatchTrainLoop
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
    'MicroBatchTrainLoop',
    'MuonAdamW',
    'RECVisualizationHook',
    'TunedOptimWrapperConstructor',
    'TuningSummaryHook',
]
