"""Adapters on feature maps, which may differ in grid from the tower's tokens."""

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor


def on_map(compute: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Compute on each position of a map: a linear layer is then a 1×1 convolution.

    Args:
        compute: Maps tokens (B, N, C) to (B, N, C').
        x: Tokens (B, N, C), or a map (B, C, h, w).

    Returns:
        (B, N, C'), or (B, C', h, w).
    """
    if x.dim() != 4:
        return compute(x)
    tokens = compute(x.flatten(2).transpose(1, 2))
    return tokens.transpose(1, 2).unflatten(2, x.shape[2:])


def on_grid(
    compute: Callable[[Tensor], Tensor], tap: Tensor, grid: tuple[int, int] | None
) -> Tensor:
    """Compute on a tap in its own resolution, and resample the result.

    Args:
        compute: Maps tokens (B, N', C') to (B, N', h).
        tap: Tokens (B, N, C'), or a map (B, C', h', w') coarser than the grid.
        grid: Rows and columns of the tower's tokens.

    Returns:
        (B, N, h), bilinearly resampled if the tap is a map.
    """
    if tap.dim() == 3:
        return compute(tap)
    hidden = on_map(compute, tap)
    hidden = F.interpolate(hidden, grid, mode='bilinear', align_corners=False)
    return hidden.flatten(2).transpose(1, 2)
