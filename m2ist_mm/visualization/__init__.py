"""Images of expressions and their boxes."""

from .rec_visualizer import RECVisualizer

__all__ = ['RECVisualizer']
