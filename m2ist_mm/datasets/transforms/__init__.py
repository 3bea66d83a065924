"""Transforms of images, boxes and expressions."""

from .apply_unless_direction import ApplyUnlessDirection
from .color_jitter import ColorJitter
from .direction_words import has_direction_word, swap_left_right
from .fixed_views import fixed_views, is_deterministic
from .load_rec_image import LoadRECImage
from .pack_rec_inputs import PackRECInputs
from .pad_to_canvas import PadToCanvas
from .rec_random_flip import RECRandomFlip
from .referent_crop import ReferentCrop
from .resize_to_fit import ResizeToFit

__all__ = [
    'ApplyUnlessDirection',
    'ColorJitter',
    'LoadRECImage',
    'PackRECInputs',
    'PadToCanvas',
    'RECRandomFlip',
    'ReferentCrop',
    'ResizeToFit',
    'fixed_views',
    'has_direction_word',
    'is_deterministic',
    'swap_left_right',
]
