"""Pre-trained vision and language towers."""

from .architectures import ARCHITECTURES, Architecture
from .backbone_tower import BackboneTower
from .detector_spec import DetectorSpec
from .detector_tower import DetectorTower
from .detr_encoder_tower import DETREncoderTower
from .frozen_part import FrozenPart
from .pretrained import load_tokenizer, resolve_pretrained, split_revision
from .pretrained_state import load_pretrained_state
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
    'DetectorSpec',
    'DetectorTower',
    'FrozenPart',
    'Tower',
    'TransformersTower',
    'TransformersVisionTower',
    'VisionTower',
    'load_tokenizer',
    'load_pretrained_state',
    'record_taps',
    'resolve_modules',
    'resolve_pretrained',
    'split_revision',
]
