"""Dropout masks, drawn and stored cheaply on a CPU.

torch draws dropout on a CPU by ``bernoulli_``, at five to ten nanoseconds per element,
which is a third of a training step of the V-L encoder there, and stores a float each.
Here an element costs 16 random bits to draw and one bit to store. The generator is
torch's, so ``torch.manual_seed`` and recomputation in backward work as usual.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

_LEVELS = 2**16


def dropped_rate(p: float) -> float:
    """Round a probability, between 0 and 1 exclusive, to 16 bits."""
    return min(max(round(p * _LEVELS), 1), _LEVELS - 1) / _LEVELS


def draw_kept(shape: Sequence[int], p: float) -> Tensor:
    """Draw which elements are kept, each with probability ``1 - dropped_rate(p)``.

    Returns:
        uint8 of the shape, 1 = kept, on the CPU.
    """
    count = math.prod(shape)
    words = torch.empty(-(-count // 4), dtype=torch.int64).random_(-(2**63), None)
    # numpy compares ten times as fast as torch
    draws = words.numpy().view(np.int16)[:count]
    kept = draws >= np.int16(round(dropped_rate(p) * _LEVELS) - _LEVELS // 2)
    return torch.from_numpy(kept.view(np.uint8)).view(tuple(shape))


def pack_bits(kept: Tensor) -> Tensor:
    """Pack the output (..., N) of :func:`draw_kept` into bits: uint8 (..., ⌈N / 8⌉)."""
    # a copy, as what numpy allocates is hidden from who counts torch's memory
    return torch.from_numpy(np.packbits(kept.numpy(), axis=-1)).clone()


def unpack_bits(bits: Tensor, num_last: int) -> Tensor:
    """The inverse of :func:`pack_bits`; ``num_last`` is N."""
    return torch.from_numpy(np.unpackbits(bits.numpy(), axis=-1, count=num_last))
