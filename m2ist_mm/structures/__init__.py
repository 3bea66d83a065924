"""What flows between the rooms: expressions, placements and features."""

from .expressions import expressions_of
from .placement import Placement
from .tower_features import TowerFeatures

__all__ = ['Placement', 'TowerFeatures', 'expressions_of']
