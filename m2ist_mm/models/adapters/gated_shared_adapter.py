"""The pair of adapters of ``MRSAdapterTuner``."""

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn


class GatedSharedAdapter(BaseModule):
    """Adapters of two modalities with a shared inner layer, and a gate for each.

    For modality m: ``σ(g^m) · W^m_up ReLU(W ReLU(W^m_down y))``; W is shared and the
    gate g^m is a number that starts at 0.

    Args:
        vision_channels: Width C_v of the vision tower.
        language_channels: Width C_l of the language tower.
        hidden: Bottleneck width h.
    """

    def __init__(
        self, vision_channels: int, language_channels: int, hidden: int
    ) -> None:
        super().__init__()
        self.vision_down = nn.Linear(vision_channels, hidden)
        self.language_down = nn.Linear(language_channels, hidden)
        self.inner = nn.Linear(hidden, hidden)
        self.vision_up = nn.Linear(hidden, vision_channels)
        self.language_up = nn.Linear(hidden, language_channels)
        self.vision_gate = nn.Parameter(torch.zeros(()))
        self.language_gate = nn.Parameter(torch.zeros(()))

    def vision(self, tokens: Tensor) -> Tensor:
        """Map tokens (B, N, C_v) to what is added, (B, N, C_v)."""
        hidden = self.inner(self.vision_down(tokens).relu()).relu()
        return self.vision_gate.sigmoid() * self.vision_up(hidden)

    def language(self, tokens: Tensor) -> Tensor:
        """Map tokens (B, L, C_l) to what is added, (B, L, C_l)."""
        hidden = self.inner(self.language_down(tokens).relu()).relu()
        return self.language_gate.sigmoid() * self.language_up(hidden)
