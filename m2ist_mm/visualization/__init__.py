"""Images of expressions, their boxes and what the model attends to."""

from .attention import draw_attention, draw_attention_sheet
from .colors import expression_colors
from .display import require_display
from .rec_visualizer import RECVisualizer
from .sample_info import best_overlaps, sample_name

__all__ = [
    'RECVisualizer',
    'best_overlaps',
    'draw_attention',
    'draw_attention_sheet',
    'expression_colors',
    'require_display',
    'sample_name',
]
