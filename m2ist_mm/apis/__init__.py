"""The model on images and sentences of one's own."""

from .rec_inferencer import RECInferencer, find_config

__all__ = ['RECInferencer', 'find_config']
