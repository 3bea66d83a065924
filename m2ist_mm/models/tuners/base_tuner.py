"""What all methods that tune something inside frozen towers have in common."""

import itertools
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

from mmengine.model import BaseModule
from torch import Tensor, nn

from ...structures import TowerFeatures
from ..towers import resolve_modules


class BaseTuner(BaseModule):
    """Tunes something inside the two frozen towers of a ``SideTuningBackbone``.

    A tuner finds the places in a tower by sites: a site is a pattern of module names
    with ``{i}`` in the place of the layer number, as for taps. The kinds are

    - ``attention``: its output is that of the attention sublayer, before the residual
      sum;
    - ``ffn``: its output is that of the FFN sublayer, before the residual sum;
    - ``ffn_input``: its input is that of the FFN sublayer;
    - ``query``, ``value``: the projections of the attention, see ``LoRATuner``;
    - ``embedding``: the table of the language tower's input embeddings.

    The tower's own weights stay frozen, but for those that :meth:`tunes` names, and the
    towers stay in evaluation mode: their dropout is off in training too, so that the
    frozen part computes the same function with every method. Only what the tuner adds
    is in training mode.

    Args:
        towers: The towers by name, ``'vision'`` and ``'language'``; given by the
            backbone.
        sites: Name of the tower to kind of site to pattern; given by the backbone.

    Raises:
        ValueError: A site that the method needs is not named or not in the tower.
    """

    needs: dict[str, Sequence[str]] = {}  # name of the tower to kinds of site

    def __init__(
        self,
        towers: dict[str, nn.Module],
        sites: dict[str, dict[str, str | Sequence[str]]],
    ) -> None:
        super().__init__()
        self.sites = {name: dict(patterns) for name, patterns in sites.items()}
        for name, kinds in self.needs.items():
            for kind in kinds:
                self.find(towers[name], name, kind)

    def find(self, tower: nn.Module, name: str, kind: str) -> list[nn.Module]:
        """The modules of one kind of site, one a layer from the first on.

        Args:
            tower: The tower to look in.
            name: Its name, ``'vision'`` or ``'language'``.
            kind: Kind of site.

        Raises:
            ValueError: The site is not named or not in the tower.
        """
        pattern = self.sites[name].get(kind)
        if pattern is None:
            raise ValueError(
                f'{type(self).__name__} needs the site {kind!r} of the {name} tower: '
                f'name its modules with model.backbone.{name}_sites.{kind}=PATTERN'
            )
        patterns = [pattern] if isinstance(pattern, str) else list(pattern)
        if not any('{i}' in one for one in patterns):
            return resolve_modules(tower, patterns, [0])
        known = {name for name, _ in tower.named_modules()}
        depth = next(
            i
            for i in itertools.count()
            if not any(one.format(i=i) in known for one in patterns)
        )
        return resolve_modules(tower, patterns, range(max(depth, 1)))

    def tunes(self, name: str) -> bool:
        """Whether a weight of the towers themselves, by its name, is tuned."""
        return False

    def prepare(self, name: str, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Change the inputs of the tower ``name`` before it runs."""
        return inputs

    def inserted(self, name: str, tower: nn.Module) -> AbstractContextManager:
        """Context of one forward of the tower ``name``, with what the tuner adds.

        Hooks live only inside it, so that a copied or exported tower is the bare tower.
        """
        return nullcontext()

    def finish(self, name: str, features: TowerFeatures) -> TowerFeatures:
        """Change what the tower ``name`` gives."""
        return features
