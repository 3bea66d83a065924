"""Export of a trained grounder to ONNX."""

from .contract import describe, read_placement
from .image_side import ImageSide
from .onnx_folder import export_onnx, require_empty
from .text_side import TextSide

__all__ = [
    'ImageSide',
    'TextSide',
    'describe',
    'export_onnx',
    'read_placement',
    'require_empty',
]
