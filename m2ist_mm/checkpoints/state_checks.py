"""Checks of state dicts that come from files."""

from typing import Any

import torch
from torch import Tensor


def check_state(state: Any, source: str) -> None:
    """Check that a state dict from a file holds finite dense tensors alone.

    Args:
        state: What should be names and tensors.
        source: Where it comes from, for the message.

    Raises:
        ValueError: It holds something else, or values that are not finite.
    """
    if not isinstance(state, dict):
        raise ValueError(f'{source} holds no state dict but a {type(state).__name__}')
    for name, value in state.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise ValueError(
                f'{source} holds no state dict: {str(name)[:100]!r} is a '
                f'{type(value).__name__}, not a tensor'
            )
    wrong = [name for name, value in state.items() if not value.isfinite().all()]
    if wrong:
        raise ValueError(
            f'{source} has {len(wrong)} weights that are not finite '
            f'({shorten(wrong)}): the training that wrote it diverged, or the file is '
            'damaged'
        )


def find_misfits(
    own: dict[str, Tensor], state: dict[str, Tensor]
) -> dict[str, list[str]]:
    """Names by which a state dict does not fit a module's.

    A float may become another float; a float, integer, boolean or complex number none
    of the others.

    Args:
        own: The module's.
        state: What is to be loaded.

    Returns:
        Sorted names by what is wrong with them, for :func:`tell_misfits`; those that
        are ``'missing'`` among them.
    """
    both = sorted(own.keys() & state.keys())
    return {
        'missing': sorted(own.keys() - state.keys()),
        'not known to the model': sorted(state.keys() - own.keys()),
        'of another shape': [n for n in both if own[n].shape != state[n].shape],
        'of another kind of number': [
            n for n in both if _kind(own[n].dtype) != _kind(state[n].dtype)
        ],
    }


def tell_misfits(misfits: dict[str, list[str]]) -> str:
    """Say what does not fit, for a message; empty if all does."""
    return '; '.join(
        f'{len(names)} {what} ({shorten(names)})'
        for what, names in misfits.items()
        if names
    )


def shorten(names: list[str]) -> str:
    """The first three of a list of names."""
    return ', '.join(names[:3]) + (', …' if len(names) > 3 else '')


def _kind(dtype: torch.dtype) -> str:
    if dtype.is_floating_point or dtype.is_complex:
        return 'float' if dtype.is_floating_point else 'complex'
    return 'bool' if dtype is torch.bool else 'integer'
