"""Context in which MMEngine loads checkpoints without running code."""

import functools
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from mmengine.runner import checkpoint as mmengine_checkpoint
from mmengine.runner.checkpoint import CheckpointLoader

from .checkpoint_file import load_checkpoint


@contextmanager
def safe_loading() -> Iterator[None]:
    """Make MMEngine load by :func:`load_checkpoint` inside the context.

    MMEngine calls ``torch.load`` with its default; the OneDL fork unpickles anything if
    the safe way fails, and always does so for files fetched by URL. Inside the context,
    local files are read by this package's loader, and fetched ones by torch with
    ``weights_only``. Outside, MMEngine loads as without this package.

    The tools run inside this context. A runner that is built elsewhere loads inside it
    if its config has ``TunedStateHook``; otherwise call its ``resume`` or
    ``load_checkpoint`` only ``with safe_loading():``.
    """
    schemes = {
        prefix: _weights_only(load) if prefix else load_from_local
        for prefix, load in CheckpointLoader._schemes.items()
    }
    with ExitStack() as stack:
        stack.enter_context(_replaced(CheckpointLoader, '_schemes', schemes))
        if hasattr(mmengine_checkpoint, 'get_torch_safe_globals'):
            # OneDL's own list has getattr in it
            stack.enter_context(
                _replaced(mmengine_checkpoint, 'get_torch_safe_globals', list)
            )
        yield


@contextmanager
def _replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    previous = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, previous)


def load_from_local(filename: str, map_location=None) -> dict:
    """:func:`load_checkpoint` as MMEngine calls a loader; gives tensors on the CPU."""
    return load_checkpoint(filename)


def _weights_only(load: Callable) -> Callable:
    """Make a loader that fetches a file and calls ``torch.load`` safe."""

    @functools.wraps(load)
    def load_weights_only(filename: str, map_location=None):
        # read by torch.load, and stronger than any argument it is called with
        flag = 'TORCH_FORCE_WEIGHTS_ONLY_LOAD'
        previous = os.environ.get(flag)
        os.environ[flag] = '1'
        try:
            return load(filename, map_location)
        except OSError:
            raise
        except Exception as error:
            # torch's message goes on for a page, and tells how to run the file's code
            raise ValueError(
                f'{filename} cannot be read as a checkpoint: it is damaged, or holds '
                f'objects that could run code ({type(error).__name__})'
            ) from error
        finally:
            if previous is None:
                del os.environ[flag]
            else:
                os.environ[flag] = previous

    return load_weights_only
