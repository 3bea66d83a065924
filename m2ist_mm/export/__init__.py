"""Export of a trained grounder to ONNX."""

from .contract import describe, read_placement
from .export_onnx import export_onnx, require_empty
from .image_side import ImageSide
from .text_side import TextSide

__all__ = ['ImageSide', 'TextSide', 'describe', 'export_onnx', 'read_placement', 'require_empty']
