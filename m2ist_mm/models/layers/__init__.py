"""Building blocks of the models."""

from .feature_cache import FeatureCache, feature_key
from .feature_store import FeatureStore
from .vl_encoder import VLEncoder

__all__ = ['FeatureCache', 'FeatureStore', 'VLEncoder', 'feature_key']
