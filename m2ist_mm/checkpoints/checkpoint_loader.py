"""MMEngine's checkpoint loading, without running code from the file.

MMEngine calls ``torch.load`` with its default, which before torch 2.6 unpickles
anything; the OneDL fork falls back to that where the safe way fails; and files that are
fetched by URL are always unpickled so. The loaders registered here replace theirs.
"""

import functools
import os
import pickle
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from mmengine.runner import checkpoint as mmengine_checkpoint
from mmengine.runner.checkpoint import CheckpointLoader

from .resumable_checkpoint import ResumableCheckpoint
from .safe_globals import SAFE_GLOBALS


def load_from_local(filename: str, map_location=None) -> dict:
    """Read a checkpoint file.

    Args:
        filename: Path of the file.
        map_location: As in ``torch.load``.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no checkpoint, is damaged, or holds objects that could run
            code; nothing of it was run.
    """
    path = Path(filename).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f'there is no checkpoint file {path}')
    with _clear_error(path, PermissionError):
        content = torch.load(path, map_location=map_location, weights_only=True)
    if isinstance(content, dict) and 'meta' in content:
        return ResumableCheckpoint(content, str(path))
    return content


@contextmanager
def _clear_error(filename: str | Path, passed: type[OSError]) -> Iterator[None]:
    try:
        yield
    except passed:
        raise
    except Exception as error:
        # torch's own message goes on for a page, and tells how to run the file's code
        name = re.search(r'GLOBAL (\S+)', str(error))
        if name is not None:
            reason = (
                f'it holds {name[1]}, which is not loaded because it could run code'
            )
        elif isinstance(error, pickle.UnpicklingError):
            reason = 'it is damaged, or holds objects that could run code'
        else:
            line = str(error).partition('\n')[0][:200]
            reason = f'it is damaged or no torch file ({type(error).__name__}: {line})'
        raise ValueError(
            f'{filename} cannot be read as a checkpoint: {reason}'
        ) from error


def _weights_only(load: Callable) -> Callable:
    """Make a loader that fetches a file and calls ``torch.load`` a safe one."""

    @functools.wraps(load)
    def load_weights_only(filename: str, map_location=None):
        # read by torch.load, and stronger than any argument it is called with
        flag = 'TORCH_FORCE_WEIGHTS_ONLY_LOAD'
        previous = os.environ.get(flag)
        os.environ[flag] = '1'
        try:
            with _clear_error(filename, OSError):
                return load(filename, map_location)
        finally:
            if previous is None:
                del os.environ[flag]
            else:
                os.environ[flag] = previous

    return load_weights_only


def register_safe_loaders() -> None:
    """Replace MMEngine's loaders by ones that run no code; twice does no harm."""
    for scheme, load in list(CheckpointLoader._schemes.items()):
        if not hasattr(load, '__wrapped__'):
            CheckpointLoader.register_scheme(scheme, _weights_only(load), force=True)
    CheckpointLoader.register_scheme('', load_from_local, force=True)
    if hasattr(mmengine_checkpoint, 'get_torch_safe_globals'):
        # OneDL's own list has getattr in it
        mmengine_checkpoint.get_torch_safe_globals = lambda: SAFE_GLOBALS


register_safe_loaders()
