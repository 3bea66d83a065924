"""Files that hold a state dict alone."""

import io
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..atomic_file import write_atomically
from .state_checks import check_state, find_misfits, tell_misfits
from .torch_file import read_torch_file


def load_state_file(path: str) -> dict[str, Tensor]:
    """Read the state dict of a checkpoint file without running code from it.

    Args:
        path: A ``torch.save`` file that is a state dict, or holds one under
            ``'state_dict'`` or ``'model'``.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is not a checkpoint, is damaged, holds more than plain data, or
            has weights that are not finite.
    """
    return state_in(read_torch_file(path), path)


def state_in(content: Any, path: str) -> dict[str, Tensor]:
    """The state dict in the content of a file, see :func:`load_state_file`."""
    for key in ('state_dict', 'model'):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    check_state(content, str(path))
    return content


def save_state_file(
    state: dict[str, Tensor], path: str | Path, meta: dict | None = None
) -> None:
    """Write a state dict as a checkpoint file, whole or not at all.

    Args:
        state: The weights.
        path: The file.
        meta: What a checkpoint says besides, as the identity of its towers.

    Raises:
        OSError: The file cannot be written, for instance because the disk is full.
    """
    content = io.BytesIO()
    more = {} if meta is None else dict(meta=meta)
    torch.save(dict(state_dict=state, **more), content)
    write_atomically(path, content.getvalue())


def load_exactly(module: nn.Module, state: dict[str, Tensor], source: str) -> None:
    """Load a state dict; every name, shape and kind of number must fit.

    Raises:
        ValueError: Some do not; the message names the first of them.
    """
    if fault := tell_misfits(find_misfits(module.state_dict(), state)):
        raise ValueError(f'{source} does not fit {type(module).__name__}: {fault}')
    module.load_state_dict(state)
