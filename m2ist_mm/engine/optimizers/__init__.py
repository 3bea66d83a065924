"""Optimisers, their wrappers and constructor, in mmdet's registries."""

from .autocast_optim_wrapper import AutocastOptimWrapper
from .muon_adamw import MuonAdamW
from .tuned_optim_wrapper_constructor import TunedOptimWrapperConstructor

__all__ = ['AutocastOptimWrapper', 'MuonAdamW', 'TunedOptimWrapperConstructor']
