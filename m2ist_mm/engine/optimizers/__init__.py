"""Optimiser wrappers and their constructor, registered in mmdet's registries."""

from .autocast_optim_wrapper import AutocastOptimWrapper
from .tuned_optim_wrapper_constructor import TunedOptimWrapperConstructor

__all__ = ['AutocastOptimWrapper', 'TunedOptimWrapperConstructor']
