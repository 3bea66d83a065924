"""Output of a tower: tokens, mask and tapped features."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor


@dataclass
class TowerFeatures:
    """Output of one tower.

    Attributes:
        tokens: Output tokens of the last layer, (B, N, C).
        mask: Padding mask of the tokens, (B, N) bool, true = padding.
        inputs: Tokens that enter the first layer, (B, N, C); ``None`` where no tokens
            of this width and number enter, as in convolutional towers.
        grid: Rows and columns (h, w) of the N = h·w tokens of an image, row by row;
            ``None`` for text, and where padding was dropped
            (:meth:`Features.without_padding`).
        taps: For each kind of tap (``'attention'``, ``'ffn'``, …) one tensor per paired
            layer: (B, N, C'), or, where the tapped map is coarser than ``grid``, the
            map itself, (B, C', h', w').
    """

    tokens: Tensor
    mask: Tensor
    inputs: Tensor | None = None
    grid: tuple[int, int] | None = None
    taps: dict[str, list[Tensor]] = field(default_factory=dict)

    def replace(self, **changes) -> 'TowerFeatures':
        """Return a copy with the given attributes changed."""
        return replace(self, **changes)

    @classmethod
    def cat(cls, parts: Sequence['TowerFeatures']) -> 'TowerFeatures':
        """Join features of several batches, all with the same number of tokens."""
        first = parts[0]
        if len(parts) == 1:
            return first
        return cls(
            tokens=torch.cat([part.tokens for part in parts]),
            mask=torch.cat([part.mask for part in parts]),
            inputs=None
            if first.inputs is None
            else torch.cat([part.inputs for part in parts]),
            grid=first.grid,
            taps={
                kind: [
                    torch.cat(layer)
                    for layer in zip(*(part.taps[kind] for part in parts), strict=True)
                ]
                for kind in first.taps
            },
        )
