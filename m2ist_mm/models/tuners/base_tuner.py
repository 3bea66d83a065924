"""Base of the methods that train weights inside frozen towers."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

from mmengine.model import BaseModule
from torch import Tensor

from ...structures import TowerFeatures
from ..towers import FrozenPart


class BaseTuner(BaseModule):
    """Trains weights inside the two frozen towers of a ``SideTuningBackbone``.

    A tuner finds the modules of a tower by their sites, see :data:`ARCHITECTURES`. The
    kinds are

    - ``attention``: its output is that of the attention sublayer, before the residual
      sum;
    - ``ffn``: its output is that of the FFN sublayer, before the residual sum;
    - ``ffn_input``: its input is that of the FFN sublayer;
    - ``query``, ``value``: the projections of the attention, see ``LoRATuner``;
    - ``embedding``: the table of the language tower's input embeddings.

    The towers' own weights stay frozen, except those that :meth:`tunes` names, and the
    towers stay in evaluation mode: their dropout is off in training too, so that the
    frozen part computes the same function with every method. Only the modules that the
    tuner adds are in training mode.

    Args:
        towers: The towers by name, ``'vision'`` and ``'language'``; given by the
            backbone.

    Raises:
        ValueError: A tower lacks a site that the method needs.
    """

    needs: dict[str, Sequence[str]] = {}  # name of the tower to kinds of site

    def __init__(self, towers: dict[str, FrozenPart]) -> None:
        super().__init__()
        for name, kinds in self.needs.items():
            for kind in kinds:
                towers[name].find('sites', kind)

    def tunes(self, name: str) -> bool:
        """Whether a weight of the towers themselves, by its name, is tuned."""
        return False

    def prepare(self, name: str, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Change the inputs of the tower ``name`` before it runs."""
        return inputs

    def inserted(self, name: str, tower: FrozenPart) -> AbstractContextManager:
        """Context of one forward of the tower ``name``, with the added modules.

        Hooks exist only inside it, so a copied or exported tower is the bare tower.
        """
        return nullcontext()

    def finish(self, name: str, features: TowerFeatures) -> TowerFeatures:
        """Change the output of the tower ``name``."""
        return features
