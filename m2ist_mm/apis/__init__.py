"""Inference API: one box per expression."""

from .onnx_inferencer import ONNXInferencer
from .rec_inferencer import RECInferencer, find_config

__all__ = ['ONNXInferencer', 'RECInferencer', 'find_config']
