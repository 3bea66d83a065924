"""Adapters that are added to the outputs of sublayers by hooks."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from torch import Tensor

from ..adapters import init_adapters, on_map
from ..towers import FrozenPart, Tower
from .base_tuner import BaseTuner


class Insertion(NamedTuple):
    """One adapter in one layer: ``output + adapter(x)`` replaces a sublayer's output.

    Attributes:
        layer: Number of the layer, from 0.
        sublayer: Whose output is changed, ``'attention'`` or ``'ffn'``.
        adapter: Maps x (B, N, C) to what is added. On a sublayer's map (B, C, h, w) it
            works per position, as 1×1 convolutions do.
        parallel: Whether x is the input of the FFN sublayer (adapter in parallel) or
            the output (in series, with a residual).
    """

    layer: int
    sublayer: str
    adapter: Callable[[Tensor], Tensor]
    parallel: bool = False


class InsertingTuner(BaseTuner):
    """Base of the tuners that add adapters to the outputs of sublayers.

    Every adapter starts at zero, so the first forward equals that of the frozen towers.
    """

    def paired_widths(
        self, towers: dict[str, Tower], kind: str
    ) -> list[tuple[int, int]]:
        """Widths of one kind of site in pairs of layers, vision and language.

        Pair i is the i-th layer of each tower, up to the depth of the shallower one.
        """
        widths = [towers[name].site_channels(kind) for name in ('vision', 'language')]
        return list(zip(*widths, strict=False))

    def init_weights(self) -> None:
        """Initialise the adapters; their outputs are zero."""
        init_adapters(self)

    def insertions(self, name: str) -> list[Insertion]:
        """The adapters of the tower ``name``; those of one sublayer in order."""
        raise NotImplementedError

    @contextmanager
    def inserted(self, name: str, tower: FrozenPart) -> Iterator[None]:
        """See :meth:`BaseTuner.inserted`."""
        insertions = self.insertions(name)
        kinds = {one.sublayer for one in insertions}
        if any(one.parallel for one in insertions):
            kinds.add('ffn_input')
        sites = {kind: tower.find('sites', kind) for kind in kinds}
        handles = []
        try:
            for one in insertions:
                add, remember = _hooks(one)
                if one.parallel:
                    source = sites['ffn_input'][one.layer]
                    handles.append(source.register_forward_pre_hook(remember))
                target = sites[one.sublayer][one.layer]
                handles.append(target.register_forward_hook(add))
            yield
        finally:
            for handle in handles:
                handle.remove()


def _hooks(insertion: Insertion) -> tuple[Callable, Callable]:
    inputs = []

    def remember(module, args):
        inputs.append(args[0])

    def add(module, args, output):
        first = output[0] if isinstance(output, tuple) else output
        x = inputs.pop() if insertion.parallel else first
        changed = first + on_map(insertion.adapter, x)
        return (changed, *output[1:]) if isinstance(output, tuple) else changed

    return add, remember
