"""Loading and saving of weights: one loader, identities, converters.

The hooks, which know the models, are in :mod:`m2ist_mm.checkpoints.hooks`.
"""

from . import checkpoint_loader  # noqa: F401  (registers the loaders that run no code)
from .converters import convert_detr, convert_transvg, convert_yolox
from .state_file import (
    file_sha256,
    load_exactly,
    load_state_file,
    save_state_file,
    state_sha256,
    tensors_sha256,
)

__all__ = [
    'convert_detr',
    'convert_transvg',
    'convert_yolox',
    'file_sha256',
    'load_exactly',
    'load_state_file',
    'save_state_file',
    'state_sha256',
    'tensors_sha256',
]
