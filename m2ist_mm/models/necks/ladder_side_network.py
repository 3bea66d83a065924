"""Ladder Side-Tuning: a narrow copy of each tower beside it."""

import torch
from mmdet.registry import MODELS
from mmengine.model import BaseModule, ModuleList
from torch import Tensor, nn

from ...structures import TowerFeatures
from ..adapters import on_grid
from ..towers import Tower
from .side_network import SideNetwork

TEMPERATURE = 0.1  # of the gates, as in the paper


class Ladder(BaseModule):
    """Narrow transformer beside one tower, fed by a tap of each of its layers.

    With tower width C and ladder width c, ``s_0 = D_0 x`` of the tower's input tokens
    x, and ``s_i = layer_i(μ_i · D_i t_i + (1 - μ_i) · s_{i-1})`` of the output t_i of
    the tower's layer i, with a learned number in ``μ_i = sigmoid(a_i / 0.1)`` that
    starts at one half. The layers are post-norm encoder layers.

    Args:
        channels: Width C of the tower's output.
        tap_channels: Width of the tap of each of the tower's N layers.
        num_layers: Number N of the tower's layers.
        num_heads: Attention heads of a ladder's layer.
        feedforward_channels: Hidden width F of the tower's FFNs.
        activation: Non-linearity of the FFNs, ``'relu'`` or ``'gelu'``.
        reduction: How many times narrower than the tower the ladder is.
        dropout: Dropout probability in the ladder.

    Raises:
        ValueError: The ladder's width is not a multiple of its heads.
    """

    def __init__(
        self,
        channels: int,
        tap_channels: list[int],
        num_layers: int,
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
        self.taps = ModuleList(nn.Linear(tap, width) for tap in tap_channels)
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

    def forward(self, features: TowerFeatures) -> Tensor:
        """Climb the ladder.

        Args:
            features: Those of the tower, with a ``'layer'`` tap of each layer. A tower
                without input tokens has zeros instead.

        Returns:
            The tower's tokens plus the ladder's top, brought to their width, (B, N, C).
        """
        inputs = features.inputs
        side = self.inputs(
            torch.zeros_like(features.tokens) if inputs is None else inputs
        )
        weights = (self.gates / TEMPERATURE).sigmoid()
        for down, weight, layer, tap in zip(
            self.taps, weights, self.layers, features.taps['layer'], strict=True
        ):
            fed = on_grid(down, tap, features.grid)
            side = layer(
                weight * fed + (1 - weight) * side, src_key_padding_mask=features.mask
            )
        return features.tokens + self.up(side)


@MODELS.register_module()
class LadderSideNetwork(SideNetwork):
    """Ladder Side-Tuning (Sung et al. 2022, arXiv 2206.06522).

    A ladder beside each tower reads the tower's layers through the taps of kind
    ``'layer'`` and adds its output to the tower's, see :class:`Ladder`. No gradient
    passes through the towers. The paper initialises the ladder with pruned weights of
    the tower; here it starts random, with an output of zero.

    Args:
        towers: See :class:`SideNetwork`.
        reduction: How many times narrower than their towers the ladders are. With
            c = C/reduction and f = F/reduction a ladder of N layers has
            ``(N+1)·(C·c + c) + N·(1 + 4·c² + 9·c + 2·c·f + f) + c·C + C`` parameters.
        dropout: Dropout probability in the ladders.
        vision: Any of ``num_heads``, ``feedforward_channels`` and ``activation`` of the
            vision ladder; those of the tower unless given. For a tower that is not a
            transformer, give all.
        language: The same for the language ladder.

    Raises:
        ValueError: A ladder's width is not a multiple of its heads, or a tower has no
            transformer layers to copy the shape from.
    """

    def __init__(
        self,
        towers: dict[str, Tower],
        reduction: int = 8,
        dropout: float = 0.1,
        vision: dict | None = None,
        language: dict | None = None,
    ) -> None:
        layers = {
            name: range(len(tower.find('taps', 'layer')))
            for name, tower in towers.items()
        }
        super().__init__(towers, {name: dict(layer=n) for name, n in layers.items()})
        for name, own in dict(vision=vision or {}, language=language or {}).items():
            tower = towers[name]
            complete = {'num_heads', 'feedforward_channels', 'activation'} <= own.keys()
            form = own if complete else tower.layer_spec() | own
            ladder = Ladder(
                channels=tower.embed_dims,
                tap_channels=tower.tap_channels('layer', layers[name]),
                **form | dict(num_layers=len(layers[name])),
                reduction=reduction,
                dropout=dropout,
            )
            self.add_module(name, ladder)
        self.init_weights()

    def init_weights(self) -> None:
        """Set the ladders' outputs to zero."""
        self.vision.init_weights()
        self.language.init_weights()
