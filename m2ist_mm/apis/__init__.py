"""Inference API: one box per expression."""

from .encoded_image import EncodedImage
from .rec_inferencer import RECInferencer, find_config

__all__ = ['EncodedImage', 'RECInferencer', 'find_config']
