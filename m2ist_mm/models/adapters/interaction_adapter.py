"""The expert that connects both modalities."""

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from .on_grid import on_grid


class InteractionAdapter(BaseModule):
    """Interaction expert (IEA) of one pair of layers.

    For modality m with tap a: ``z = ReLU(D^m a)``, output ``concat[U^m z, S z]``. S is
    one matrix for both modalities, of the narrower one's width; U^m computes the other
    channels of the wider one and is absent if there are none.

    Args:
        vision_channels: Width C_v of the vision tower's output.
        language_channels: Width C_l of the language tower's output.
        hidden: Bottleneck width h.
        share: Whether S is shared; if not, each modality has its own.
        vision_tap_channels: Width of the vision tap; C_v unless given.
        language_tap_channels: Width of the language tap; C_l unless given.
    """

    def __init__(
        self,
        vision_channels: int,
        language_channels: int,
        hidden: int,
        share: bool,
        vision_tap_channels: int | None = None,
        language_tap_channels: int | None = None,
    ) -> None:
        super().__init__()
        shared_channels = min(vision_channels, language_channels)
        self.vision_down = nn.Linear(vision_tap_channels or vision_channels, hidden)
        self.language_down = nn.Linear(
            language_tap_channels or language_channels, hidden
        )
        self.shared_up = nn.Linear(hidden, shared_channels)
        self.language_shared_up = None if share else nn.Linear(hidden, shared_channels)
        self.vision_up = self._own_up(hidden, vision_channels - shared_channels)
        self.language_up = self._own_up(hidden, language_channels - shared_channels)

    @staticmethod
    def _own_up(hidden: int, channels: int) -> nn.Linear | None:
        return nn.Linear(hidden, channels) if channels else None

    def vision(self, tap: Tensor, grid: tuple[int, int] | None = None) -> Tensor:
        """Map a vision tap to what is added to the vision tokens.

        Args:
            tap: (B, N, C'), or a coarser map (B, C', h', w').
            grid: Rows and columns of the N tokens; needed for maps.

        Returns:
            (B, N, C_v).
        """
        hidden = on_grid(lambda x: self.vision_down(x).relu(), tap, grid)
        return self._expand(hidden, self.vision_up, self.shared_up)

    def language(self, tap: Tensor) -> Tensor:
        """Map a language tap (B, L, C') to (B, L, C_l)."""
        shared_up = self.language_shared_up or self.shared_up
        return self._expand(self.language_down(tap).relu(), self.language_up, shared_up)

    @staticmethod
    def _expand(hidden: Tensor, own_up: nn.Linear | None, shared_up: nn.Linear):
        if own_up is None:
            return shared_up(hidden)
        return torch.cat([own_up(hidden), shared_up(hidden)], dim=-1)
