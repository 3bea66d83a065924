"""Images of expressions and their boxes."""

from .colors import expression_colors
from .display import require_display
from .rec_visualizer import RECVisualizer

__all__ = ['RECVisualizer', 'expression_colors', 'require_display']
