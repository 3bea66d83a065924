"""Reading features from inside a tower, by the names of its modules."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from torch import Tensor, nn

from ...structures import TowerFeatures


def resolve_modules(
    tower: nn.Module, pattern: str | Sequence[str], layers: Sequence[int]
) -> list[nn.Module]:
    """Find the module of each layer that a pattern names.

    Args:
        tower: The module to look in.
        pattern: Dotted module name with ``{i}`` in the place of the layer number, for
            instance ``'encoder.layers.{i}.ffn.layers'``; or several such patterns, of
            which the first that is there is taken (libraries rename their modules).
        layers: The layer numbers, from 0.

    Raises:
        ValueError: A name is not in the tower; the message lists the names there are.
    """
    # FSDP puts a wrapper around some modules, and its name into theirs
    modules = {
        name.replace('_fsdp_wrapped_module.', ''): module
        for name, module in tower.named_modules()
    }
    missing = {}
    for one in [pattern] if isinstance(pattern, str) else pattern:
        names = [one.format(i=i) for i in layers]
        missing[one] = [name for name in names if name not in modules]
        if not missing[one]:
            return [modules[name] for name in names]
    first = ', nor '.join(repr(names[0]) for names in missing.values())
    patterns = ', '.join(map(repr, missing))
    known = '\n  '.join(name for name in modules if name)
    raise ValueError(
        f'{type(tower).__name__} has no module {first} (tap pattern {patterns}). '
        'Correct the pattern or the layer numbers; the modules of this tower are:\n'
        f'  {known}'
    )


@contextmanager
def record_taps(
    tower: nn.Module,
    patterns: dict[str, str | Sequence[str]],
    layers: Sequence[int],
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
        returns a tuple the first element is taken. When the tower has answered, each
        tap has the form of its tokens (B, N, ·): a tower whose modules have another
        form inside turns them by its method ``tap_tokens(tap, N)``.

    Raises:
        ValueError: A name is not in the tower, its module was passed by, or a tap has
            not as many tokens as the tower's output, to which the side networks'
            outputs are added.
    """
    recorded = {kind: [None] * len(layers) for kind in patterns}
    handles = []

    def recorder(kind: str, position: int):
        def hook(module, inputs, output):
            first = output[0] if isinstance(output, tuple) else output
            recorded[kind][position] = first

        return hook

    def align(tower, inputs, features):
        if not isinstance(features, TowerFeatures):
            return
        count = features.tokens.shape[1]
        for kind, taps in recorded.items():
            if hasattr(tower, 'tap_tokens'):
                taps[:] = [tower.tap_tokens(tap, count) for tap in taps]
            for tap in taps:
                if tap.dim() != 3 or tap.shape[1] != count:
                    raise ValueError(
                        f'{type(tower).__name__}: tap {patterns[kind]!r} gives '
                        f'{tuple(tap.shape)}, and the tower has {count} tokens: tap '
                        'modules that give as many'
                    )

    try:
        handles.append(tower.register_forward_hook(align))
        for kind, pattern in patterns.items():
            for position, module in enumerate(resolve_modules(tower, pattern, layers)):
                handles.append(module.register_forward_hook(recorder(kind, position)))
        yield recorded
        for kind, taps in recorded.items():
            if any(tap is None for tap in taps):
                # a compiler may leave hooks out that were not there when it ran
                raise ValueError(
                    f'{type(tower).__name__}: the modules of tap {patterns[kind]!r} '
                    'did not run, or were compiled without taps'
                )
    finally:
        for handle in handles:
            handle.remove()
