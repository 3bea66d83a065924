"""Features of frozen towers, computed once per distinct input.

Enabled by a config that imports this package and names its hook, see
:class:`FeatureCacheHook`. Nothing else imports it.
"""

from .feature_cache import FeatureCache
from .feature_cache_hook import FeatureCacheHook
from .feature_layout import FeatureLayout, PackedFeatures
from .feature_store import FeatureStore
from .tower_identity import tower_identity

__all__ = [
    'FeatureCache',
    'FeatureCacheHook',
    'FeatureLayout',
    'FeatureStore',
    'PackedFeatures',
    'tower_identity',
]
