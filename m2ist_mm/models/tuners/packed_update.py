"""Low-rank updates inside a packed projection matrix."""

import math
from collections.abc import Sequence

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

PACKED = ('query', 'key', 'value')


class PackedUpdate(BaseModule):
    """Adds low-rank updates to parts of ``nn.MultiheadAttention.in_proj_weight``.

    That matrix stacks the projections of query, key and value. Registered as its
    parametrization (``torch.nn.utils.parametrize``), this is LoRA on three separate
    layers: ``W + s·B·A`` for the parts that are named.

    Args:
        channels: Width C of the tower; the matrix is (3·C, C).
        rank: Rank r of an update.
        scale: The factor s.
        parts: Which parts are updated, of ``'query'``, ``'key'``, ``'value'``.
    """

    def __init__(
        self, channels: int, rank: int, scale: float, parts: Sequence[str]
    ) -> None:
        super().__init__()
        self.scale = scale
        self.lora_A = nn.ParameterDict(
            {part: nn.Parameter(torch.empty(rank, channels)) for part in parts}
        )
        self.lora_B = nn.ParameterDict(
            {part: nn.Parameter(torch.empty(channels, rank)) for part in parts}
        )
        self.init_weights()

    def init_weights(self) -> None:
        """Initialise A as peft does and B with zero: the update starts at zero."""
        for part in self.lora_A:
            nn.init.kaiming_uniform_(self.lora_A[part], a=math.sqrt(5))
            nn.init.zeros_(self.lora_B[part])

    def forward(self, weight: Tensor) -> Tensor:
        """Map the matrix (3·C, C) to the updated one."""
        updates = [
            self.scale * (self.lora_B[part] @ self.lora_A[part])
            if part in self.lora_A
            else torch.zeros_like(weight[: weight.shape[1]])
            for part in PACKED
        ]
        return weight + torch.cat(updates).to(weight.dtype)
