"""Pre-trained vision and language towers."""

from .detr_encoder_tower import DETREncoderTower
from .pretrained import (
    file_sha256,
    load_exactly,
    load_state_file,
    resolve_pretrained,
    save_state_file,
    state_sha256,
)
from .taps import record_taps, resolve_modules
from .tower_features import TowerFeatures
from .transformers_tower import TransformersTower

__all__ = [
    'DETREncoderTower',
    'TowerFeatures',
    'TransformersTower',
    'file_sha256',
    'load_exactly',
    'load_state_file',
    'record_taps',
    'resolve_modules',
    'resolve_pretrained',
    'save_state_file',
    'state_sha256',
]
