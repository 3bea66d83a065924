"""The expert within one modality."""

from mmengine.model import BaseModule
from torch import Tensor, nn

from .on_grid import on_grid


class SideAdapter(BaseModule):
    """Expert within one modality (VEA, LEA): ``s · W_up ReLU(W_down LN(m))``.

    Args:
        channels: Width C of the tower's output.
        hidden: Bottleneck width h.
        scale: The factor s.
        tap_channels: Width C' of the tap; C unless given.
    """

    def __init__(
        self,
        channels: int,
        hidden: int,
        scale: float,
        tap_channels: int | None = None,
    ) -> None:
        super().__init__()
        self.scale = scale
        self.norm = nn.LayerNorm(tap_channels or channels)
        self.down = nn.Linear(tap_channels or channels, hidden)
        self.up = nn.Linear(hidden, channels)

    def forward(self, tap: Tensor, grid: tuple[int, int] | None = None) -> Tensor:
        """Map a tap to the adapter's output.

        Args:
            tap: (B, N, C'), or a coarser map (B, C', h', w').
            grid: Rows and columns of the N tokens; needed for maps.

        Returns:
            (B, N, C).
        """
        hidden = on_grid(lambda x: self.down(self.norm(x)).relu(), tap, grid)
        return self.scale * self.up(hidden)
