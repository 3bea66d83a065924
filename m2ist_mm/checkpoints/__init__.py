"""Loading and saving of weights: one loader, identities, converters.

The hooks, which know the models, are in :mod:`m2ist_mm.checkpoints.hooks`.
"""

from .averaging import average_with_start
from .checkpoint_file import load_checkpoint
from .converters import convert_detr, convert_transvg, convert_yolox
from .identity import file_sha256, state_sha256, tensors_sha256
from .safe_loading import safe_loading
from .state_file import load_exactly, load_state_file, save_state_file
from .trained_grounder import start_from_grounder

__all__ = [
    'average_with_start',
    'convert_detr',
    'convert_transvg',
    'convert_yolox',
    'file_sha256',
    'load_checkpoint',
    'load_exactly',
    'load_state_file',
    'safe_loading',
    'save_state_file',
    'start_from_grounder',
    'state_sha256',
    'tensors_sha256',
]
