"""The encoder of one modality."""

from collections.abc import Callable, Sequence
from functools import partial

from torch import Tensor

from ...structures import InputSpec, TowerFeatures
from .frozen_part import FrozenPart


class Tower(FrozenPart):
    """Base of the vision and the language tower.

    Attributes:
        modality: ``'vision'`` or ``'language'``.
        embed_dims: Width C of the output tokens.
        input_spec: Input contract of the tower.
        cache: Called with :meth:`run` and its inputs, returns the output of ``run``,
            from memory or disk where it can. ``None`` is no cache.
    """

    modality: str
    embed_dims: int
    input_spec: InputSpec
    cache: Callable[..., TowerFeatures] | None = None

    def encode(
        self, x: Tensor, mask: Tensor, call: Callable | None = None
    ) -> TowerFeatures:
        """Encode inputs, with the taps chosen by :meth:`FrozenPart.tap`.

        Args:
            x: First argument of ``forward``.
            mask: Second argument of ``forward``.
            call: See :meth:`FrozenPart.encode`.
        """
        run = partial(self.run, call=call)
        if self.cache is None or self.builds_graph:
            return run(x, mask)
        return self.cache(run, x, mask)

    def run(
        self, x: Tensor, mask: Tensor, call: Callable | None = None
    ) -> TowerFeatures:
        """Encode inputs without asking the cache; see :meth:`encode`."""
        return super().encode(x, mask, call=call)

    def with_taps(
        self, output: TowerFeatures, taps: dict[str, list[Tensor]]
    ) -> TowerFeatures:
        """See :meth:`FrozenPart.with_taps`."""
        aligned = {
            kind: [self.align_tap(kind, tap, output) for tap in layers]
            for kind, layers in taps.items()
        }
        return output.replace(taps=aligned)

    def align_tap(self, kind: str, tap: Tensor, output: TowerFeatures) -> Tensor:
        """Bring a tap into the form of :class:`TowerFeatures`.

        Raises:
            ValueError: The tap has another number of tokens than the tower.
        """
        count = output.tokens.shape[1]
        if tap.dim() != 3 or tap.shape[1] != count:
            raise ValueError(
                f'{type(self).__name__}: the tap {kind!r} gives {tuple(tap.shape)}, '
                f'and the tower has {count} tokens: tap modules that give as many, '
                'or feature maps'
            )
        return tap

    def layer_spec(self) -> dict:
        """Shape of the tower's transformer layers, for a narrow copy beside it.

        Returns:
            ``num_layers``, ``num_heads``, ``feedforward_channels`` and ``activation``
            (``'relu'`` or ``'gelu'``).

        Raises:
            ValueError: The tower has no transformer layers.
        """
        raise ValueError(
            f'{type(self).__name__} has no transformer layers of one form: state '
            'num_layers, num_heads, feedforward_channels and activation in the config'
        )

    def tap_channels(self, kind: str, layers: Sequence[int]) -> list[int]:
        """Width of the tap of each layer."""
        return [self.embed_dims] * len(layers)

    def site_channels(self, kind: str) -> list[int]:
        """Width of the output of each site of a kind."""
        return [self.embed_dims] * len(self.find('sites', kind))
