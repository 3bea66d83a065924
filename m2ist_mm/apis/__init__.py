"""Inference API: one box per expression."""

from .encoded_image import EncodedImage
from .onnx_inferencer import ONNXInferencer
from .rec_inferencer import DEFAULT_MODEL, RECInferencer, find_config, find_weights

__all__ = [
    'DEFAULT_MODEL',
    'EncodedImage',
    'ONNXInferencer',
    'RECInferencer',
    'find_config',
    'find_weights',
]
