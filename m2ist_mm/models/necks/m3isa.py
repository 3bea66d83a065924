"""M³ISA: the mixture of multi-modal interactive side-adapters."""

from mmdet.registry import MODELS
from mmengine.model import BaseModule, ModuleList
from torch import Tensor

from ...structures import TowerFeatures
from ..adapters import InteractionAdapter, SideAdapter, init_adapters

EXPERTS = ('vea', 'lea', 'iea')


@MODELS.register_module()
class M3ISA(BaseModule):
    """Mixture of multi-modal interactive side-adapters (arXiv 2407.01131 §3.3).

    Beside each pair of tower layers stand a vision expert (VEA), a language expert
    (LEA) and an interaction expert (IEA). The outputs of all pairs are summed and added
    to the towers' outputs and, by default, input tokens.

    Args:
        num_pairs: Number N of layer pairs.
        vision_channels: Width C_v of the vision tower.
        language_channels: Width C_l of the language tower.
        hidden_channels: Bottleneck width h.
        scale: Factor s of VEA and LEA.
        experts: Which experts there are, of ``'vea'``, ``'lea'``, ``'iea'``.
        taps: Which tap (``'attention'`` or ``'ffn'``) each expert reads; experts that
            are not named keep the paper's choice.
        share: Whether the IEA's matrix S is shared between the modalities.
        side_norm: ``None`` for the plain formulas; ``'tower'`` passes the language
            outputs through the tower's LayerNorms, as the reference code does (needs
            ``language_norms`` in the backbone).
        init: ``'zero'``: every output starts at 0; ``'uniform'``: the reference code's
            draw (Kaiming-uniform matrices, biases from U(0, 1)).
        add_inputs: Whether the towers' input tokens are added.

    Raises:
        ValueError: A choice is unknown, or ``side_norm='tower'`` is to start from
            zero: a LayerNorm at a zero vector answers with its bias and has a gradient
            of about 1e6.
    """

    def __init__(
        self,
        num_pairs: int = 6,
        vision_channels: int = 256,
        language_channels: int = 768,
        hidden_channels: int = 128,
        scale: float = 0.1,
        experts: tuple[str, ...] = EXPERTS,
        taps: dict[str, str] | None = None,
        share: bool = True,
        side_norm: str | None = None,
        init: str = 'zero',
        add_inputs: bool = True,
    ) -> None:
        super().__init__()
        self.taps = dict(vea='ffn', lea='ffn', iea='attention') | dict(taps or {})
        for argument, values, known in (
            ('experts', experts, EXPERTS),
            ('taps', self.taps, EXPERTS),
            ('taps', self.taps.values(), ('attention', 'ffn')),
            ('side_norm', [side_norm], (None, 'tower')),
            ('init', [init], ('zero', 'uniform')),
        ):
            if unknown := set(values) - set(known):
                raise ValueError(
                    f'M3ISA: {argument} has {sorted(unknown)}, known are {known}'
                )
        if side_norm == 'tower' and init == 'zero':
            raise ValueError(
                "M3ISA: side_norm='tower' cannot start from zero outputs (a LayerNorm "
                "has no usable gradient there); use init='uniform'"
            )
        self.num_pairs = num_pairs
        self.side_norm = side_norm
        self.init = init
        self.add_inputs = add_inputs

        def adapters(expert: str, build) -> ModuleList:
            return ModuleList(build() for _ in range(num_pairs * (expert in experts)))

        self.vea = adapters(
            'vea', lambda: SideAdapter(vision_channels, hidden_channels, scale)
        )
        self.lea = adapters(
            'lea', lambda: SideAdapter(language_channels, hidden_channels, scale)
        )
        self.iea = adapters(
            'iea',
            lambda: InteractionAdapter(
                vision_channels, language_channels, hidden_channels, share
            ),
        )
        self.init_weights()

    def init_weights(self) -> None:
        """Initialise the adapters as ``init`` says."""
        init_adapters(self, self.init)

    def forward(
        self, vision: TowerFeatures, language: TowerFeatures
    ) -> tuple[Tensor, Tensor]:
        """Add the side networks' outputs to those of the towers.

        Args:
            vision: Features with taps of ``num_pairs`` layers, tokens (I, N, C_v).
            language: The same of the language tower, tokens (E, L, C_l).

        Returns:
            Vision tokens (I, N, C_v) and language tokens (E, L, C_l).

        Raises:
            ValueError: The towers do not give the taps or norms that are needed.
        """
        vision_outputs = self.vision_side(vision)
        language_outputs = self.language_side(language)
        return (
            self._sum(vision, vision_outputs),
            self._sum(language, language_outputs),
        )

    def vision_side(self, vision: TowerFeatures) -> list[Tensor]:
        """Outputs of the experts of the vision side, each (I, N, C_v)."""
        outputs = [
            adapter.vision(tap)
            for adapter, tap in zip(self.iea, self._taps(vision, 'iea'), strict=True)
        ]
        return outputs + [
            adapter(tap)
            for adapter, tap in zip(self.vea, self._taps(vision, 'vea'), strict=True)
        ]

    def language_side(self, language: TowerFeatures) -> list[Tensor]:
        """Outputs of the experts of the language side, each (E, L, C_l)."""
        interactions = [
            adapter.language(tap)
            for adapter, tap in zip(self.iea, self._taps(language, 'iea'), strict=True)
        ]
        experts = [
            adapter(tap)
            for adapter, tap in zip(self.lea, self._taps(language, 'lea'), strict=True)
        ]
        if self.side_norm == 'tower':
            interactions = self._normed(interactions, language, self.taps['iea'])
            experts = self._normed(experts, language, self.taps['lea'])
        return interactions + experts

    def _sum(self, features: TowerFeatures, outputs: list[Tensor]) -> Tensor:
        total = features.tokens
        if self.add_inputs:
            total = total + features.input_tokens
        for output in outputs:
            total = total + output
        return total

    def _taps(self, features: TowerFeatures, expert: str) -> list[Tensor]:
        if not len(getattr(self, expert)):
            return []
        taps = features.taps.get(self.taps[expert], [])
        if len(taps) != self.num_pairs:
            raise ValueError(
                f'M3ISA needs {self.num_pairs} {self.taps[expert]!r} taps for its '
                f'{expert}, the backbone gives {len(taps)}: set its taps and layers'
            )
        return taps

    def _normed(
        self, outputs: list[Tensor], language: TowerFeatures, kind: str
    ) -> list[Tensor]:
        norms = language.norms.get(kind, [])
        if len(norms) < len(outputs):
            raise ValueError(
                f"M3ISA(side_norm='tower') needs the tower's LayerNorm of each "
                f'{kind!r} tap: name them in the backbone with language_norms'
            )
        return [norm(output) for norm, output in zip(norms, outputs, strict=False)]
