"""Building blocks of the models."""

from .vl_encoder import VLEncoder

__all__ = ['VLEncoder']
