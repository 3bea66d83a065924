"""Pre-trained vision and language towers."""

from .backbone_tower import BackboneTower
from .base_transformers_tower import BaseTransformersTower
from .detr_encoder_tower import DETREncoderTower
from .pretrained import (
    file_sha256,
    load_exactly,
    load_state_file,
    resolve_pretrained,
    save_state_file,
    state_sha256,
    tensors_sha256,
)
from .taps import record_taps, resolve_modules
from .tower_features import TowerFeatures
from .transformers_tower import TransformersTower
from .transformers_vision_tower import TransformersVisionTower

__all__ = [
    'BackboneTower',
    'BaseTransformersTower',
    'DETREncoderTower',
    'TowerFeatures',
    'TransformersTower',
    'TransformersVisionTower',
    'file_sha256',
    'load_exactly',
    'load_state_file',
    'record_taps',
    'resolve_modules',
    'resolve_pretrained',
    'save_state_file',
    'state_sha256',
    'tensors_sha256',
]
