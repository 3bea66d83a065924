"""Pre-trained vision and language towers."""

from .architectures import ARCHITECTURES, Architecture
from .backbone_tower import BackboneTower
from .detr_encoder_tower import DETREncoderTower
from .frozen_part import FrozenPart
from .pretrained import load_tokenizer, resolve_pretrained, split_revision
from .taps import record_taps, resolve_modules
from .tower import Tower
from .transformers_tower import TransformersTower
from .transformers_vision_tower import TransformersVisionTower
from .vision_tower import VisionTower

__all__ = [
    'ARCHITECTURES',
    'Architecture',
    'BackboneTower',
    'DETREncoderTower',
    'FrozenPart',
    'Tower',
    'TransformersTower',
    'TransformersVisionTower',
    'VisionTower',
    'load_tokenizer',
    'record_taps',
    'resolve_modules',
    'resolve_pretrained',
    'split_revision',
]
