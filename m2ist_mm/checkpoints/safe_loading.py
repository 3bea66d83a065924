"""Context in which MMEngine loads checkpoints without running code."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from mmengine.runner import checkpoint as mmengine_checkpoint
from mmengine.runner.checkpoint import CheckpointLoader

from .checkpoint_file import load_checkpoint
from .fetched_file import load_fetched

# names of model zoos, which MMEngine turns into URLs
_ZOOS = ('modelzoo://', 'torchvision://', 'open-mmlab://', 'openmmlab://', 'mmcls://')


@contextmanager
def safe_loading() -> Iterator[None]:
    """Make MMEngine load by :func:`load_checkpoint` inside the context.

    MMEngine calls ``torch.load`` with its default; the OneDL fork unpickles anything if
    the safe way fails, and always does so for files fetched by URL. Inside the context,
    local files and files of http and https, model zoos included, are read by this
    package's loader; other addresses are refused. Outside, MMEngine loads as without
    this package.

    The tools run inside this context. A runner that is built elsewhere loads inside it
    if its config has ``TunedStateHook``; otherwise call its ``resume`` or
    ``load_checkpoint`` only ``with safe_loading():``.
    """
    own = {'': load_from_local} | dict.fromkeys(('http://', 'https://'), load_from_http)
    schemes = {
        prefix: own.get(prefix, load if prefix in _ZOOS else refuse)
        for prefix, load in CheckpointLoader._schemes.items()
    }
    replaced = (
        (CheckpointLoader, '_schemes', schemes),
        # by these names the loaders of the zoos call them
        (mmengine_checkpoint, 'load_from_local', load_from_local),
        (mmengine_checkpoint, 'load_from_http', load_from_http),
    )
    with ExitStack() as stack:
        for owner, name, value in replaced:
            stack.callback(setattr, owner, name, getattr(owner, name))
            setattr(owner, name, value)
        yield


def load_from_local(filename: str, map_location=None) -> dict:
    """:func:`load_checkpoint` as MMEngine calls a loader; gives tensors on the CPU."""
    return load_checkpoint(filename)


def load_from_http(filename: str, map_location=None, **kwargs) -> dict:
    """Fetch a file, unless it was fetched before, and load it."""
    return load_fetched(filename, load_checkpoint)


def refuse(filename: str, map_location=None, **kwargs) -> dict:
    """Refuse a checkpoint of another address.

    Raises:
        ValueError: Always.
    """
    raise ValueError(
        f'{filename}: checkpoints are read from files and from http and https; fetch '
        'it and give the path of the file'
    )
