"""Building blocks of the models."""

from .feature_cache import FeatureCache
from .vl_encoder import VLEncoder

__all__ = ['FeatureCache', 'VLEncoder']
