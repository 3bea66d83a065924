"""What a tower hands to the side networks."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn


@dataclass
class TowerFeatures:
    """Output of one tower and what was tapped on the way.

    Attributes:
        tokens: Output tokens of the last layer, (B, N, C).
        mask: Padding mask of the tokens, (B, N) bool, true = padding.
        input_tokens: Tokens that enter the first layer, (B, N, C).
        taps: For each kind of tap (``'attention'``, ``'ffn'``) one (B, N, C) tensor a
            paired layer.
        norms: For each kind of tap the tower's own LayerNorm of each paired layer;
            empty unless the backbone was given their names.
    """

    tokens: Tensor
    mask: Tensor
    input_tokens: Tensor
    taps: dict[str, list[Tensor]] = field(default_factory=dict)
    norms: dict[str, list[nn.Module]] = field(default_factory=dict)

    def replace(self, **changes) -> 'TowerFeatures':
        """Return a copy with the given attributes changed."""
        return replace(self, **changes)

    @classmethod
    def cat(cls, parts: Sequence['TowerFeatures']) -> 'TowerFeatures':
        """Join features of several batches, all with the same number of tokens."""
        if len(parts) == 1:
            return parts[0]
        return cls(
            tokens=torch.cat([part.tokens for part in parts]),
            mask=torch.cat([part.mask for part in parts]),
            input_tokens=torch.cat([part.input_tokens for part in parts]),
            taps={
                kind: [
                    torch.cat(layer)
                    for layer in zip(*(part.taps[kind] for part in parts), strict=True)
                ]
                for kind in parts[0].taps
            },
        )
