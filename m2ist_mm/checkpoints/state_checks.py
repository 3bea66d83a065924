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
        shown = ', '.join(wrong[:3]) + (', …' if len(wrong) > 3 else '')
        raise ValueError(
            f'{source} has {len(wrong)} weights that are not finite ({shown}): the '
            'training that wrote it diverged, or the file is damaged'
        )


def names_of_other_kind(own: dict[str, Tensor], state: dict[str, Tensor]) -> list[str]:
    """Names of tensors that could be copied but would change their meaning.

    A float may become another float; a float, integer, boolean or complex number none
    of the others.
    """
    return sorted(
        name
        for name in own.keys() & state.keys()
        if _kind(own[name].dtype) != _kind(state[name].dtype)
    )


def _kind(dtype: torch.dtype) -> str:
    if dtype.is_floating_point or dtype.is_complex:
        return 'float' if dtype.is_floating_point else 'complex'
    return 'bool' if dtype is torch.bool else 'integer'
