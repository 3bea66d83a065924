"""Ladder Side-Tuning: a narrow copy of each tower beside it."""

import torch
from mmdet.registry import MODELS
from mmengine.model import BaseModule, ModuleList
from torch import Tensor, nn

from ...structures import TowerFeatures

TEMPERATURE = 0.1  # of the gates, as in the paper


class Ladder(BaseModule):
    """Narrow transformer beside one tower, fed by a tap of each of its layers.

    With tower width C and ladder width c, ``s_0 = D_0 x`` of the tower's input tokens
    x, and ``s_i = layer_i(μ_i · D_i t_i + (1 - μ_i) · s_{i-1})`` of the output t_i of
    the tower's layer i, with a learned number in ``μ_i = sigmoid(a_i / 0.1)`` that
    starts at one half. The layers are post-norm encoder layers.

    Args:
        num_layers: Number N of the tower's layers.
        channels: Width C of the tower.
        num_heads: Attention heads of a ladder's layer.
        feedforward_channels: Hidden width F of the tower's FFNs.
        activation: Non-linearity of the FFNs, ``'relu'`` or ``'gelu'``.
        reduction: How many times narrower than the tower the ladder is.
        dropout: Dropout probability in the ladder.

    Raises:
        ValueError: The ladder's width is no whole multiple of its heads.
    """

    def __init__(
        self,
        num_layers: int,
        channels: int,
        num_heads: int,
        feedforward_channels: int,
        activation: str,
        reduction: int,
        dropout: float,
    ) -> None:
        super().__init__()
        width = channels // reduction
        if channels % reduction or width % num_heads:
            raise ValueError(
                f'a ladder of {channels} / {reduction} channels cannot have '
                f'{num_heads} attention heads: choose reduction and num_heads so that '
                'the width is a whole multiple of the heads'
            )
        self.inputs = nn.Linear(channels, width)
        self.taps = ModuleList(nn.Linear(channels, width) for _ in range(num_layers))
        self.gates = nn.Parameter(torch.zeros(num_layers))
        self.layers = ModuleList(
            nn.TransformerEncoderLayer(
                width,
                num_heads,
                feedforward_channels // reduction,
                dropout=dropout,
                activation=activation,
                batch_first=True,
            )
            for _ in range(num_layers)
        )
        self.up = nn.Linear(width, channels)

    def init_weights(self) -> None:
        """Set the ladder's output to zero."""
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, input_tokens: Tensor, taps: list[Tensor], mask: Tensor) -> Tensor:
        """Climb the ladder.

        Args:
            input_tokens: (B, N, C).
            taps: Outputs of the tower's layers, each (B, N, C).
            mask: (B, N) bool, true = padding.

        Returns:
            The top, brought to the tower's width, (B, N, C).
        """
        side = self.inputs(input_tokens)
        weights = (self.gates / TEMPERATURE).sigmoid()
        for down, weight, layer, tap in zip(
            self.taps, weights, self.layers, taps, strict=True
        ):
            side = layer(
                weight * down(tap) + (1 - weight) * side, src_key_padding_mask=mask
            )
        return self.up(side)


@MODELS.register_module()
class LadderSideNetwork(BaseModule):
    """Ladder Side-Tuning (Sung et al. 2022, arXiv 2206.06522).

    A ladder beside each tower reads the tower's layers through the taps of kind
    ``'layer'``, see :class:`Ladder`; its top is added to the tower's output. No
    gradient passes the towers. The paper starts the ladder from pruned weights of the
    tower; here it starts random, and its top at zero.

    Args:
        vision: ``num_layers``, ``channels``, ``num_heads``, ``feedforward_channels``
            and ``activation`` of the vision ladder: all but ``num_heads`` are the
            tower's.
        language: The same of the language ladder.
        reduction: How many times narrower than their towers the ladders are. With
            c = C/reduction and f = F/reduction a ladder of N layers has
            ``(N+1)·(C·c + c) + N·(1 + 4·c² + 9·c + 2·c·f + f) + c·C + C`` parameters.
        dropout: Dropout probability in the ladders.
    """

    def __init__(
        self, vision: dict, language: dict, reduction: int = 8, dropout: float = 0.1
    ) -> None:
        super().__init__()
        self.vision = Ladder(**vision, reduction=reduction, dropout=dropout)
        self.language = Ladder(**language, reduction=reduction, dropout=dropout)
        self.init_weights()

    def init_weights(self) -> None:
        """Set the ladders' outputs to zero."""
        self.vision.init_weights()
        self.language.init_weights()

    def forward(
        self, vision: TowerFeatures, language: TowerFeatures
    ) -> tuple[Tensor, Tensor]:
        """Add the ladders' tops to the towers' outputs.

        Args:
            vision: Features with one ``'layer'`` tap per layer, tokens (I, N, C_v).
            language: The same of the language tower, tokens (E, L, C_l).

        Returns:
            Vision tokens (I, N, C_v) and language tokens (E, L, C_l).

        Raises:
            ValueError: A tower does not give a tap for each layer of its ladder.
        """
        return self._add(self.vision, vision), self._add(self.language, language)

    @staticmethod
    def _add(ladder: Ladder, features: TowerFeatures) -> Tensor:
        taps = features.taps.get('layer', [])
        if len(taps) != len(ladder.layers):
            raise ValueError(
                f"LadderSideNetwork needs {len(ladder.layers)} 'layer' taps, the "
                f'backbone gives {len(taps)}: set its taps and layers'
            )
        return features.tokens + ladder(features.input_tokens, taps, features.mask)
