"""Identity of weights: their name (file, URL or hub name) and their sha256."""

import hashlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn


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

    Equal for equal weights on every device; differs if a value, a name or a type
    differs.
    """
    digest = hashlib.sha256()
    for name, value in sorted(state.items()):
        digest.update(f'{name} {value.dtype} {tuple(value.shape)}'.encode())
        digest.update(raw_bytes(value))
    return digest.hexdigest()


def raw_bytes(value: Tensor) -> np.ndarray:
    """Bytes of a tensor, element by element, as numbers of 8 bits."""
    return value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()


def frozen_parts(model: nn.Module) -> dict[str, nn.Module]:
    """The parts of a model, by their names, that checkpoints may leave out.

    They are its ``FrozenPart`` s, for instance towers, recognised by their methods.
    """
    return {
        # FSDP puts a wrapper around some modules, and its name into theirs
        '.'.join(p for p in name.split('.') if p != '_fsdp_wrapped_module'): module
        for name, module in model.named_modules()
        if hasattr(type(module), 'frozen_state_keys')
    }


def tower_identity(model: nn.Module) -> dict[str, dict[str, str]]:
    """``name`` and ``sha256`` of the weights of each part that checkpoints leave out.

    By the last component of the part's name, ``'vision'`` and ``'language'``.
    """
    identities = {
        name.rpartition('.')[2]: part.identity()
        for name, part in frozen_parts(model).items()
    }
    return {name: identity for name, identity in identities.items() if identity}


def is_identity(value) -> bool:
    """Whether a value from a file is a tower's identity."""
    return isinstance(value, dict) and all(
        isinstance(value.get(key), str) for key in ('name', 'sha256')
    )
