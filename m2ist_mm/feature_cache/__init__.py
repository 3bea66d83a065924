"""Features of frozen towers, computed once per distinct input."""

from .feature_cache import FeatureCache, feature_key
from .feature_store import FeatureStore

__all__ = ['FeatureCache', 'FeatureStore', 'feature_key']
