"""Images of expressions and their boxes."""

from .display import require_display
from .rec_visualizer import RECVisualizer

__all__ = ['RECVisualizer', 'require_display']
