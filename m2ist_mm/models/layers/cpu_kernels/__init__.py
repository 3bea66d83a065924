"""Dropout and attention of the V-L encoder for those who train on a CPU.

A GPU has fused kernels for all of this and needs nothing here but :class:`ReLUDropout`,
which keeps one tensor for backward instead of three on every device. On a CPU, torch
draws dropout by a slow generator and keeps a float per element, and its fused attention
has no dropout, so that attention maps would be kept. These kernels keep what a GPU
keeps, so memory counted on a CPU is what a GPU needs too. Without dropout (the models
of the quickstart) none of them runs. What each is worth:
``docs/efficiency.md#dropout-on-a-cpu``.
"""

from .bit_dropout import BitDropout
from .dropped_attention import dropped_attention
from .relu_dropout import ReLUDropout

__all__ = ['BitDropout', 'ReLUDropout', 'dropped_attention']
