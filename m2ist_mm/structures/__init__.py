"""What flows between the rooms: expressions and features."""

from .expressions import Expressions, expressions_of
from .tower_features import TowerFeatures

__all__ = ['Expressions', 'TowerFeatures', 'expressions_of']
