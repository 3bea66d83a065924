"""The bottleneck of most adapters."""

from mmengine.model import BaseModule
from torch import Tensor, nn


class BottleneckAdapter(BaseModule):
    """``s · W_up ReLU(W_down x)``, without the residual.

    Args:
        channels: Width C of the tower.
        hidden: Bottleneck width h.
        scale: The factor s.
    """

    def __init__(self, channels: int, hidden: int, scale: float = 1.0) -> None:
        super().__init__()
        self.scale = scale
        self.down = nn.Linear(channels, hidden)
        self.up = nn.Linear(hidden, channels)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens (B, N, C) to what is added to a sublayer's output, (B, N, C)."""
        return self.scale * self.up(self.down(tokens).relu())
