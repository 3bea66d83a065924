"""M³ISA: the mixture of multi-modal interactive side-adapters."""

import math
from collections.abc import Sequence

from mmdet.registry import MODELS
from mmengine.model import ModuleList
from torch import Tensor

from ...structures import TowerFeatures
from ..adapters import InteractionAdapter, SideAdapter, init_adapters
from ..towers import Tower
from .side_network import SideNetwork

EXPERTS = ('vea', 'lea', 'iea')


@MODELS.register_module()
class M3ISA(SideNetwork):
    """Mixture of multi-modal interactive side-adapters (arXiv 2407.01131 §3.3).

    Each pair of tower layers has a vision expert (VEA), a language expert (LEA) and an
    interaction expert (IEA). The outputs of all pairs are summed and added to the
    towers' outputs and, by default, to their input tokens (convolutional towers have
    none).

    Args:
        towers: See :class:`SideNetwork`.
        vision_layers: Vision layer (from 0) of each pair.
        language_layers: Language layer of each pair.
        hidden_channels: Bottleneck width h.
        scale: Factor s of VEA and LEA.
        experts: Which experts are used, of ``'vea'``, ``'lea'``, ``'iea'``.
        taps: Kind of tap that each expert reads; experts that are not named keep the
            paper's choice: ``'attention'`` for the IEA, ``'ffn'`` for the others.
        share: Whether the IEA's matrix S is shared between the modalities.
        side_norm: ``None`` for the plain formulas; ``'tower'`` passes the language
            outputs through the tower's LayerNorms, as the reference code does.
        init: ``'zero'``: every output starts at 0; ``'uniform'``: as in the reference
            code (Kaiming-uniform matrices, biases from U(0, 1)).
        add_inputs: Whether the towers' input tokens are added.

    Raises:
        ValueError: A choice is unknown or named twice, the layers are not paired, a
            tower has no such layer, or ``side_norm='tower'`` is combined with
            ``init='zero'``: at a zero vector, a LayerNorm returns its bias and has a
            gradient of about 1e6.
    """

    def __init__(
        self,
        towers: dict[str, Tower],
        vision_layers: Sequence[int],
        language_layers: Sequence[int],
        hidden_channels: int = 128,
        scale: float = 0.1,
        experts: Sequence[str] = EXPERTS,
        taps: dict[str, str] | None = None,
        share: bool = True,
        side_norm: str | None = None,
        init: str = 'zero',
        add_inputs: bool = True,
    ) -> None:
        taps = dict(vea='ffn', lea='ffn', iea='attention') | dict(taps or {})
        for argument, values, known in (
            ('experts', experts, EXPERTS),
            ('taps', taps, EXPERTS),
            ('side_norm', [side_norm], (None, 'tower')),
            ('init', [init], ('zero', 'uniform')),
        ):
            if unknown := set(values) - set(known):
                raise ValueError(
                    f'M3ISA: {argument} has {sorted(unknown)}, known are {known}'
                )
        if len(vision_layers) != len(language_layers):
            raise ValueError(
                f'M3ISA pairs layers: vision_layers has {len(vision_layers)}, '
                f'language_layers has {len(language_layers)}'
            )
        pairs = list(zip(vision_layers, language_layers, strict=True))
        for argument, values in (('experts', experts), ('the layers', pairs)):
            if len(set(values)) < len(values):
                raise ValueError(f'M3ISA: {argument} name one twice: {list(values)}')
        if experts and not pairs:
            raise ValueError(
                'M3ISA: vision_layers and language_layers are empty; name at least one '
                'pair, or none of the experts (experts=())'
            )
        if not math.isfinite(scale):
            raise ValueError(f'M3ISA: scale={scale} is not finite')
        if hidden_channels < 1:
            raise ValueError(
                f'M3ISA: hidden_channels={hidden_channels} is not positive'
            )
        if side_norm == 'tower' and init == 'zero':
            raise ValueError(
                "M3ISA: side_norm='tower' cannot start from zero outputs (a LayerNorm "
                "has no usable gradient there); use init='uniform'"
            )
        layers = dict(vision=list(vision_layers), language=list(language_layers))
        sides = dict(vision=('vea', 'iea'), language=('lea', 'iea'))
        super().__init__(
            towers,
            {
                name: {taps[e]: layers[name] for e in own if e in experts}
                for name, own in sides.items()
            },
        )
        self.taps = taps
        self.side_norm = side_norm
        self.init = init
        self.add_inputs = add_inputs
        channels = {name: tower.embed_dims for name, tower in towers.items()}

        def widths(name: str, expert: str) -> list[int]:
            """Width of the tap of each pair; no pairs where there is no such expert."""
            if expert not in experts:
                return []
            return towers[name].tap_channels(taps[expert], layers[name])

        for expert, name in (('vea', 'vision'), ('lea', 'language')):
            adapters = ModuleList(
                SideAdapter(channels[name], hidden_channels, scale, width)
                for width in widths(name, expert)
            )
            self.add_module(expert, adapters)
        self.iea = ModuleList(
            InteractionAdapter(
                channels['vision'], channels['language'], hidden_channels, share, *pair
            )
            for pair in zip(
                widths('vision', 'iea'), widths('language', 'iea'), strict=True
            )
        )
        # the tower's own modules, in tuples lest they be registered here too
        self._norms = {
            expert: tuple(
                towers['language'].find('norms', taps[expert], layers['language'])
            )
            for expert in ('iea', 'lea')
            if side_norm == 'tower'
        }
        self.init_weights()

    def init_weights(self) -> None:
        """Initialise the adapters as ``init`` says."""
        init_adapters(self, self.init)

    def vision(self, features: TowerFeatures) -> Tensor:
        """Sum of output, input tokens and experts of the vision side, (I, N, C_v)."""
        return self._sum(features, self.vision_side(features))

    def language(self, features: TowerFeatures) -> Tensor:
        """Sum of output, input tokens and experts of the language side, (E, L, C_l)."""
        return self._sum(features, self.language_side(features))

    def vision_side(self, features: TowerFeatures) -> list[Tensor]:
        """Outputs of the experts of the vision side, each (I, N, C_v)."""
        experts = [adapter.vision for adapter in self.iea], list(self.vea)
        return [
            adapter(tap, features.grid)
            for expert, adapters in zip(('iea', 'vea'), experts, strict=True)
            for adapter, tap in self._tapped(adapters, features, expert)
        ]

    def language_side(self, features: TowerFeatures) -> list[Tensor]:
        """Outputs of the experts of the language side, each (E, L, C_l)."""
        experts = [adapter.language for adapter in self.iea], list(self.lea)
        outputs = []
        for expert, adapters in zip(('iea', 'lea'), experts, strict=True):
            pairs = enumerate(self._tapped(adapters, features, expert))
            for number, (adapter, tap) in pairs:
                output = adapter(tap)
                if self.side_norm == 'tower':
                    output = self._norms[expert][number](output)
                outputs.append(output)
        return outputs

    def _tapped(self, adapters: list, features: TowerFeatures, expert: str) -> zip:
        """Adapters of one expert with their taps."""
        taps = features.taps[self.taps[expert]] if adapters else []
        return zip(adapters, taps, strict=True)

    def _sum(self, features: TowerFeatures, outputs: list[Tensor]) -> Tensor:
        total = features.tokens
        if self.add_inputs and features.inputs is not None:
            total = total + features.inputs
        for output in outputs:
            total = total + output
        return total
