"""Which tokens of a feature map are padding."""

import torch.nn.functional as F
from torch import Tensor


def map_padding(padding_mask: Tensor, size: tuple[int, int]) -> Tensor:
    """Sample a padding mask at the positions of a feature map, as DETR does.

    Args:
        padding_mask: (B, H, W) bool, true = padding.
        size: Height h and width w of the map.

    Returns:
        (B, h, w) bool, true = padding: the mask at the nearest pixel. An image thinner
        than the stride may lie between these pixels; then every position that it
        touches counts as image, since attention over padding alone would be NaN.
    """
    padding = padding_mask[:, None].float()
    mask = F.interpolate(padding, size=size).bool()
    touched = F.adaptive_max_pool2d(1 - padding, size).bool()
    missed = mask.flatten(1).all(1)[:, None, None, None]
    return (mask & ~(missed & touched))[:, 0]
