"""The expert that connects both modalities."""

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn


class InteractionAdapter(BaseModule):
    """Interaction expert (IEA) of one pair of layers.

    For modality m with tap a: ``z = ReLU(D^m a)``, output ``concat[U^m z, S z]``. S is
    one matrix for both modalities, of the narrower one's width; U^m gives the remaining
    channels of the wider one and is absent where there are none.

    Args:
        vision_channels: Width of the vision tap.
        language_channels: Width of the language tap.
        hidden: Bottleneck width h.
        share: Whether S is shared; if not, each modality has its own.
    """

    def __init__(
        self, vision_channels: int, language_channels: int, hidden: int, share: bool
    ) -> None:
        super().__init__()
        shared_channels = min(vision_channels, language_channels)
        self.vision_down = nn.Linear(vision_channels, hidden)
        self.language_down = nn.Linear(language_channels, hidden)
        self.shared_up = nn.Linear(hidden, shared_channels)
        self.language_shared_up = None if share else nn.Linear(hidden, shared_channels)
        self.vision_up = self._own_up(hidden, vision_channels - shared_channels)
        self.language_up = self._own_up(hidden, language_channels - shared_channels)

    @staticmethod
    def _own_up(hidden: int, channels: int) -> nn.Linear | None:
        return nn.Linear(hidden, channels) if channels else None

    def vision(self, tap: Tensor) -> Tensor:
        """Map a vision tap (B, N, C_v) to (B, N, C_v)."""
        return self._expand(self.vision_down(tap), self.vision_up, self.shared_up)

    def language(self, tap: Tensor) -> Tensor:
        """Map a language tap (B, L, C_l) to (B, L, C_l)."""
        shared_up = self.language_shared_up or self.shared_up
        return self._expand(self.language_down(tap), self.language_up, shared_up)

    @staticmethod
    def _expand(down: Tensor, own_up: nn.Linear | None, shared_up: nn.Linear):
        hidden = down.relu()
        if own_up is None:
            return shared_up(hidden)
        return torch.cat([own_up(hidden), shared_up(hidden)], dim=-1)
