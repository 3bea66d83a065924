"""Inference API: one box per expression."""

from .encoded_image import EncodedImage
from .model_index import DEFAULT_MODEL, find_config, find_weights
from .onnx_inferencer import ONNXInferencer
from .rec_inferencer import RECInferencer

__all__ = [
    'DEFAULT_MODEL',
    'EncodedImage',
    'ONNXInferencer',
    'RECInferencer',
    'find_config',
    'find_weights',
]
