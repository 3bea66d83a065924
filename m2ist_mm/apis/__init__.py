"""Inference API: one box per expression."""

from .encoded_image import EncodedImage
from .onnx_inferencer import ONNXInferencer
from .rec_inferencer import RECInferencer, find_config

__all__ = ['EncodedImage', 'ONNXInferencer', 'RECInferencer', 'find_config']
