"""What flows between the rooms: expressions and features."""

from .expressions import expressions_of
from .features import Features
from .input_spec import InputSpec
from .tower_features import TowerFeatures

__all__ = ['Features', 'InputSpec', 'TowerFeatures', 'expressions_of']
