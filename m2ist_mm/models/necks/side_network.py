"""Base of the side networks."""

from collections.abc import Callable, Sequence

from mmengine.model import BaseModule
from torch import Tensor

from ...structures import TowerFeatures
from ..towers import Tower


class SideNetwork(BaseModule):
    """Base of the networks that run beside frozen towers and read their taps.

    Each side can run alone: an image is encoded once, its expressions later.

    Attributes:
        vision: Method or module: features of the vision tower, with its taps, to the
            vision tokens for the head, (I, N, C_v).
        language: The same for the language side, (E, L, C_l).

    Args:
        towers: The towers by name, ``'vision'`` and ``'language'``; given by the
            grounder. Widths, grids and layers follow from them.
        needs: Taps that the network reads: name of the tower to kinds of tap to layer
            numbers. The towers then record them.

    Raises:
        ValueError: A tower has no such taps.
    """

    vision: Callable[[TowerFeatures], Tensor]
    language: Callable[[TowerFeatures], Tensor]

    def __init__(
        self,
        towers: dict[str, Tower],
        needs: dict[str, dict[str, Sequence[int]]],
    ) -> None:
        super().__init__()
        for name, taps in needs.items():
            towers[name].tap(taps)

    def forward(
        self, vision: TowerFeatures, language: TowerFeatures
    ) -> tuple[Tensor, Tensor]:
        """Run both sides: vision tokens (I, N, C_v), language tokens (E, L, C_l)."""
        return self.vision(vision), self.language(language)
