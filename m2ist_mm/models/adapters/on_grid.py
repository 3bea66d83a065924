"""Bringing what an adapter computes to the grid of the tower's tokens."""

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor


def on_grid(
    compute: Callable[[Tensor], Tensor], tap: Tensor, grid: tuple[int, int] | None
) -> Tensor:
    """Compute on a tap, in its own resolution, and resample the result.

    Args:
        compute: Maps tokens (B, N', C') to (B, N', h).
        tap: Tokens (B, N, C'), or a map (B, C', h', w') coarser than the grid.
        grid: Rows and columns of the tower's tokens.

    Returns:
        (B, N, h), bilinearly resampled where the tap is a map.
    """
    if tap.dim() == 3:
        return compute(tap)
    hidden = compute(tap.flatten(2).transpose(1, 2))
    hidden = hidden.transpose(1, 2).unflatten(2, tap.shape[2:])
    hidden = F.interpolate(hidden, grid, mode='bilinear', align_corners=False)
    return hidden.flatten(2).transpose(1, 2)
