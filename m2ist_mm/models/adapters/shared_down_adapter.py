"""The pair of adapters of ``UniAdapterTuner``."""

from mmengine.model import BaseModule
from torch import Tensor, nn


class SharedDownAdapter(BaseModule):
    """Adapters of two modalities with a shared down projection.

    ``W^m_up ReLU(S y)``. If the widths differ, S reads the last C_s channels, C_s being
    the narrower width, and the wider modality adds ``D y`` of its other channels.

    Args:
        vision_channels: Width C_v of the vision tower.
        language_channels: Width C_l of the language tower.
        hidden: Bottleneck width h.
    """

    def __init__(
        self, vision_channels: int, language_channels: int, hidden: int
    ) -> None:
        super().__init__()
        self.shared_channels = min(vision_channels, language_channels)
        others = abs(vision_channels - language_channels)
        self.shared_down = nn.Linear(self.shared_channels, hidden)
        self.own_down = nn.Linear(others, hidden, bias=False) if others else None
        self.vision_up = nn.Linear(hidden, vision_channels)
        self.language_up = nn.Linear(hidden, language_channels)

    def vision(self, tokens: Tensor) -> Tensor:
        """Map tokens (B, N, C_v) to what is added, (B, N, C_v)."""
        return self.vision_up(self._down(tokens))

    def language(self, tokens: Tensor) -> Tensor:
        """Map tokens (B, L, C_l) to what is added, (B, L, C_l)."""
        return self.language_up(self._down(tokens))

    def _down(self, tokens: Tensor) -> Tensor:
        hidden = self.shared_down(tokens[..., -self.shared_channels :])
        if tokens.shape[-1] > self.shared_channels:
            hidden = hidden + self.own_down(tokens[..., : -self.shared_channels])
        return hidden.relu()
