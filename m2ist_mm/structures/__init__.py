"""Data passed between the parts: expressions, placements and features."""

from .expressions import Expressions
from .features import Features
from .input_spec import InputSpec
from .placement import Placement
from .tower_features import TowerFeatures

__all__ = ['Expressions', 'Features', 'InputSpec', 'Placement', 'TowerFeatures']
