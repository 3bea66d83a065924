"""The expert inside one modality."""

from mmengine.model import BaseModule
from torch import Tensor, nn


class SideAdapter(BaseModule):
    """Expert inside one modality (VEA, LEA): ``s · W_up ReLU(W_down LN(m))``.

    Args:
        channels: Width C of the tap.
        hidden: Bottleneck width h.
        scale: The factor s.
    """

    def __init__(self, channels: int, hidden: int, scale: float) -> None:
        super().__init__()
        self.scale = scale
        self.norm = nn.LayerNorm(channels)
        self.down = nn.Linear(channels, hidden)
        self.up = nn.Linear(hidden, channels)

    def forward(self, tap: Tensor) -> Tensor:
        """Map a tap (B, N, C) to the adapter's output (B, N, C)."""
        return self.scale * self.up(self.down(self.norm(tap)).relu())
