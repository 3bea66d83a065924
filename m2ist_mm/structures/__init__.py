"""What flows between the rooms: expressions and features."""

from .expressions import expressions_of
from .tower_features import TowerFeatures

__all__ = ['TowerFeatures', 'expressions_of']
