"""Pre-trained vision and language towers."""

from .backbone_tower import BackboneTower
from .base_transformers_tower import BaseTransformersTower
from .detr_encoder_tower import DETREncoderTower
from .pretrained import resolve_pretrained
from .taps import record_taps, resolve_modules
from .transformers_tower import TransformersTower
from .transformers_vision_tower import TransformersVisionTower

__all__ = [
    'BackboneTower',
    'BaseTransformersTower',
    'DETREncoderTower',
    'TransformersTower',
    'TransformersVisionTower',
    'record_taps',
    'resolve_modules',
    'resolve_pretrained',
]
