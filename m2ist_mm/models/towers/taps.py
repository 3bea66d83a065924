"""Reading features from inside a tower, by the names of its modules."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from torch import Tensor, nn


def resolve_modules(
    tower: nn.Module, pattern: str, layers: Sequence[int]
) -> list[nn.Module]:
    """Find the module of each layer that a pattern names.

    Args:
        tower: The module to look in.
        pattern: Dotted module name with ``{i}`` in the place of the layer number, for
            instance ``'encoder.layers.{i}.ffn.layers'``.
        layers: The layer numbers, from 0.

    Raises:
        ValueError: A name is not in the tower; the message lists the names there are.
    """
    modules = dict(tower.named_modules())
    names = [pattern.format(i=i) for i in layers]
    for name in names:
        if name not in modules:
            known = '\n  '.join(name for name in modules if name)
            raise ValueError(
                f'{type(tower).__name__} has no module {name!r} (tap pattern '
                f'{pattern!r}). Correct the pattern or the layer numbers; the modules '
                f'of this tower are:\n  {known}'
            )
    return [modules[name] for name in names]


@contextmanager
def record_taps(
    tower: nn.Module, patterns: dict[str, str], layers: Sequence[int]
) -> Iterator[dict[str, list[Tensor]]]:
    """Record the outputs of the named modules during one forward of the tower.

    The hooks live only as long as the context, so that a copied or exported tower is
    the bare tower.

    Args:
        tower: The tower that runs inside the context.
        patterns: Kind of tap to name pattern, see :func:`resolve_modules`.
        layers: The layer numbers to tap.

    Yields:
        Kind of tap to a list of outputs, in the order of ``layers``. Of a module that
        returns a tuple the first element is taken.
    """
    recorded = {kind: [None] * len(layers) for kind in patterns}
    handles = []

    def recorder(kind: str, position: int):
        def hook(module, inputs, output):
            first = output[0] if isinstance(output, tuple) else output
            recorded[kind][position] = first

        return hook

    try:
        for kind, pattern in patterns.items():
            for position, module in enumerate(resolve_modules(tower, pattern, layers)):
                handles.append(module.register_forward_hook(recorder(kind, position)))
        yield recorded
    finally:
        for handle in handles:
            handle.remove()
