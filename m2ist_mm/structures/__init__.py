"""Data passed between the parts: expressions, placements and features."""

from .box_frame import BOX_FRAME_KEY, check_box_frame, find_box_frame
from .expressions import Expressions, as_texts
from .features import Features
from .input_spec import InputSpec
from .placement import Placement
from .tower_features import TowerFeatures

__all__ = [
    'BOX_FRAME_KEY',
    'Expressions',
    'Features',
    'InputSpec',
    'Placement',
    'TowerFeatures',
    'as_texts',
    'check_box_frame',
    'find_box_frame',
]
