"""CPU attention with dropout that never holds all attention maps in memory."""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .kept_mask import draw_kept, dropped_rate, pack_bits, unpack_bits

# elements of the maps that are there at a time: they stay in a processor's cache
_CHUNK = 2**21


def dropped_attention(
    query: Tensor, key: Tensor, value: Tensor, visible: Tensor, p: float
) -> Tensor:
    """``dropout(softmax(q kᵀ / √D)) v`` on a CPU, whose fused kernel has no dropout.

    Forward and backward process the batch in parts; backward recomputes the maps (as
    FlashAttention does, arXiv 2205.14135). Dropout is stored as one bit per element.

    Args:
        query: (B, H, M, D).
        key: (B, H, N, D).
        value: (B, H, N, D).
        visible: (B, 1, 1, N) bool, at least one true in each row.
        p: Dropout probability, between 0 and 1 exclusive.

    Returns:
        (B, H, M, D), the transpose of a contiguous (B, M, H, D).
    """
    bias = torch.zeros_like(visible, dtype=query.dtype)
    bias.masked_fill_(~visible, -torch.inf)
    return _DroppedAttentionFunction.apply(query, key, value, bias, p)


class _DroppedAttentionFunction(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx, query: Tensor, key: Tensor, value: Tensor, bias: Tensor, p: float
    ) -> Tensor:
        output = _by_token(query)
        ctx.scale = 1 / (1 - dropped_rate(p))
        bits = []
        for part in _parts(query, key):
            weights = _softmax(query[part], key[part], bias[part])
            kept = draw_kept(weights.shape, p)
            bits.append(pack_bits(kept))
            weights.mul_(kept.to(weights.dtype))
            output[part] = (weights @ value[part]).mul_(ctx.scale)
        ctx.save_for_backward(query, key, value, bias, output, *bits)
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, bias, output, *bits = ctx.saved_tensors
        grads = tuple(_by_token(tensor) for tensor in (query, key, value))
        for part, kept in zip(_parts(query, key), bits, strict=True):
            weights = _softmax(query[part], key[part], bias[part])
            dropped = unpack_bits(kept, key.shape[2]).to(weights.dtype).mul_(weights)
            above = grad[part] * ctx.scale
            grads[2][part] = dropped.mT @ above
            # softmax's backward; the sum over a map's row is one over channels
            along = (grad[part] * output[part]).sum(-1, keepdim=True)
            scores = (above @ value[part].mT).mul_(dropped)
            scores.addcmul_(weights, along, value=-1)
            scale = query.shape[-1] ** -0.5
            grads[0][part] = scores @ (key[part] * scale)
            grads[1][part] = scores.mT @ (query[part] * scale)
        return *grads, None, None


def _softmax(query: Tensor, key: Tensor, bias: Tensor) -> Tensor:
    scores = (query * query.shape[-1] ** -0.5) @ key.mT
    if bias.any():
        scores.add_(bias)
    return scores.softmax(-1)


def _by_token(like: Tensor) -> Tensor:
    """Room for (B, H, M, D) whose heads lie together in memory, token by token."""
    return like.new_empty(like.transpose(1, 2).shape).transpose(1, 2)


def _parts(query: Tensor, key: Tensor) -> Iterator[slice]:
    batch, heads, queries = query.shape[:3]
    step = max(1, _CHUNK // (heads * queries * key.shape[2]))
    return (slice(first, first + step) for first in range(0, batch, step))
