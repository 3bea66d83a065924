"""RefShapes: drawn scenes with expressions that each name one shape of them."""

from .make import make_refshapes
from .recipe import Recipe

__all__ = ['Recipe', 'make_refshapes']
