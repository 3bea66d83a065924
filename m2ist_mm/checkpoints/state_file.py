"""Files that hold a state dict, and hashes of weights."""

import argparse
import hashlib
import io
import re
from pathlib import Path

import torch
from torch import Tensor, nn

from ..atomic_file import write_atomically


def file_sha256(path: str | Path) -> str:
    """Hash of a file's content, as hexadecimal digits."""
    digest = hashlib.sha256()
    with open(path, 'rb') as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def state_sha256(module: nn.Module) -> str:
    """Hash of a module's parameters and buffers, see :func:`tensors_sha256`."""
    return tensors_sha256(module.state_dict())


def tensors_sha256(state: dict[str, Tensor]) -> str:
    """Hash of the tensors of a state dict, names included.

    The same for the same weights on every device; differs when one value, one name or
    one type differs.
    """
    digest = hashlib.sha256()
    for name, value in sorted(state.items()):
        digest.update(f'{name} {value.dtype} {tuple(value.shape)}'.encode())
        raw = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        digest.update(raw.numpy())
    return digest.hexdigest()


def load_state_file(path: str) -> dict[str, Tensor]:
    """Read the state dict of a checkpoint file without running code from it.

    Args:
        path: A ``torch.save`` file that is a state dict, or holds one under
            ``'state_dict'`` or ``'model'``.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is not a checkpoint, is damaged, or holds more than plain data.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f'no checkpoint file {path!r}')
    try:
        # DETR and TransVG keep their program's options beside the weights
        with torch.serialization.safe_globals([argparse.Namespace]):
            content = torch.load(path, map_location='cpu', weights_only=True)
    except Exception as error:
        # the rest of torch's message is the advice to run the file's code
        held = re.search(r'GLOBAL \S+', str(error))
        raise ValueError(
            f'{path!r} cannot be read as a checkpoint: it is damaged, is no torch '
            'file, or holds Python objects, which are not loaded because they could '
            f'run code ({held[0] if held else type(error).__name__})'
        ) from error
    for key in ('state_dict', 'model'):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not all(
        isinstance(value, Tensor) for value in content.values()
    ):
        raise ValueError(f'{path!r} holds no state dict (parameter name to tensor)')
    return content


def save_state_file(state: dict[str, Tensor], path: str) -> None:
    """Write a state dict as a checkpoint file, whole or not at all.

    Raises:
        OSError: The file cannot be written, for instance because the disk is full.
    """
    content = io.BytesIO()
    torch.save(dict(state_dict=state), content)
    write_atomically(path, content.getvalue())


def load_exactly(module: nn.Module, state: dict[str, Tensor], source: str) -> None:
    """Load a state dict; every name and shape must fit.

    Raises:
        ValueError: Names or shapes differ; the message names the first of them.
    """
    own = module.state_dict()
    faults = {
        'missing': sorted(own.keys() - state.keys()),
        'not known to the model': sorted(state.keys() - own.keys()),
        'of another shape': sorted(
            name
            for name in own.keys() & state.keys()
            if own[name].shape != state[name].shape
        ),
    }
    if any(faults.values()):
        text = '; '.join(
            f'{len(names)} {kind} ({", ".join(names[:3])}{", …" * (len(names) > 3)})'
            for kind, names in faults.items()
            if names
        )
        raise ValueError(f'{source} does not fit {type(module).__name__}: {text}')
    module.load_state_dict(state)
