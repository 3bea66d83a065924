"""Reading features from inside a module, by the names of its modules."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches

from torch import Tensor, nn

from .architectures import Pattern


def resolve_modules(
    part: nn.Module, pattern: Pattern, layers: Sequence[int] | None = None
) -> list[nn.Module]:
    """Find the module of each layer that a pattern names.

    Args:
        part: The module to look in.
        pattern: Dotted module name with ``{i}`` in the place of the layer number, for
            instance ``'encoder.layers.{i}.ffn.layers'``; or a list of such names, of
            which the first that exists is used. An entry may itself be a list with the
            module name of each layer. A name without ``{i}`` is layer 0 alone.
        layers: The layer numbers, from 0; ``None`` is all.

    Raises:
        ValueError: A name is not in the module; the message has the nearest names.
    """
    # FSDP puts a wrapper around some modules, and its name into theirs
    modules = {
        name.replace('_fsdp_wrapped_module.', ''): module
        for name, module in part.named_modules()
    }
    missing = []
    for one in [pattern] if isinstance(pattern, str) else pattern:
        name_of, most = _layer_names(one)
        numbers = layers
        if numbers is None:
            there = itertools.takewhile(modules.__contains__, map(name_of, range(most)))
            numbers = range(max(len(list(there)), 1))
        names = [name_of(i) for i in numbers]
        found = [modules.get(name) for name in names]
        if None not in found:
            return found
        missing.append(names[found.index(None)])
    near = get_close_matches(missing[-1], filter(None, modules), cutoff=0)
    raise ValueError(
        f'{type(part).__name__} has no module {", nor ".join(map(repr, missing))} '
        f'(pattern {pattern!r}). Correct the pattern or the layer numbers; the nearest '
        f'names are {", ".join(near)}'
    )


def _layer_names(pattern: str | Sequence[str]) -> tuple[Callable[[int], str], int]:
    """Function from layer number to module name, and the maximum number of layers."""
    if not isinstance(pattern, str):
        names = list(pattern)
        return lambda i: names[i] if 0 <= i < len(names) else f'layer {i}', len(names)
    if '{i}' not in pattern:
        return lambda i: pattern if i == 0 else f'{pattern} (layer {i})', 1
    return lambda i: pattern.format(i=i), 10_000


@contextmanager
def record_taps(
    modules: dict[str, list[nn.Module]],
) -> Iterator[dict[str, list[Tensor]]]:
    """Record the outputs of modules during one forward of their parent.

    The hooks exist only inside the context, so that a copied or exported module is the
    bare one.

    Args:
        modules: Kind of tap to the modules.

    Yields:
        Kind of tap to a list of outputs, in the order of the modules. Of a module that
        returns a tuple its first element is taken.

    Raises:
        ValueError: A module did not run.
    """
    recorded = {kind: [None] * len(tapped) for kind, tapped in modules.items()}
    handles = []

    def recorder(kind: str, position: int):
        def hook(module, inputs, output):
            first = output[0] if isinstance(output, tuple) else output
            recorded[kind][position] = first

        return hook

    try:
        for kind, tapped in modules.items():
            for position, module in enumerate(tapped):
                handles.append(module.register_forward_hook(recorder(kind, position)))
        yield recorded
        for kind, taps in recorded.items():
            if any(tap is None for tap in taps):
                # a compiler may leave hooks out that were not there when it ran
                raise ValueError(
                    f'the modules of tap {kind!r} did not run, or were compiled '
                    'without taps'
                )
    finally:
        for handle in handles:
            handle.remove()
