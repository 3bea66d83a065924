"""Inference API: one box per expression."""

from .rec_inferencer import RECInferencer, find_config

__all__ = ['RECInferencer', 'find_config']
