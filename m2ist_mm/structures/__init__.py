"""What flows between the rooms: expressions and features."""

from .expressions import expressions_of
from .features import Features
from .input_spec import InputSpec
from .placement import Placement
from .tower_features import TowerFeatures

__all__ = ['Features', 'InputSpec', 'Placement', 'TowerFeatures', 'expressions_of']
