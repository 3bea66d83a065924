"""Towers, side networks, head and grounder, registered in mmdet's ``MODELS``."""

from .backbones import SideTuningBackbone
from .data_preprocessors import RECDataPreprocessor
from .grounders import SideTunedGrounder
from .heads import RECHead
from .necks import M3ISA
from .parameter_counts import parameter_counts
from .towers import DETREncoderTower, TransformersTower

__all__ = [
    'M3ISA',
    'DETREncoderTower',
    'RECDataPreprocessor',
    'RECHead',
    'SideTunedGrounder',
    'SideTuningBackbone',
    'TransformersTower',
    'parameter_counts',
]
