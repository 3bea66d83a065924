"""Kinds of expressions: what they mean, when they are safe, and their words."""

from .attribute import Attribute
from .expression import Expression
from .order import Order
from .place import Place
from .relation import Relation
from .superlative import Superlative

EXPRESSION_KINDS = (Attribute, Place, Order, Superlative, Relation)

__all__ = ['EXPRESSION_KINDS', 'Expression']
