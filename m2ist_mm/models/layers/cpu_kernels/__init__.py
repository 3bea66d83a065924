"""Dropout and attention of the V-L encoder for training on a CPU.

A GPU has fused kernels for all of this and uses :class:`ReLUDropout` alone, which saves
one tensor for backward instead of three on every device. On a CPU, torch draws dropout
with a slow generator and stores a float per element, and its fused attention has no
dropout, so attention maps would be saved. These kernels save what a GPU saves, so that
memory counted on a CPU is what a GPU needs. Without dropout (the models of the
quickstart) none of them runs. What each is worth:
``docs/efficiency.md#dropout-on-a-cpu``.
"""

from .bit_dropout import BitDropout
from .dropped_attention import dropped_attention
from .relu_dropout import ReLUDropout

__all__ = ['BitDropout', 'ReLUDropout', 'dropped_attention']
