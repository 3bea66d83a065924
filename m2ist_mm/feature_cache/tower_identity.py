"""What the features of a tower depend on, besides its input."""

import hashlib
import json

import torch
from torch import Tensor, nn

from ..checkpoints import tensors_sha256
from ..models.towers import Tower

# where weights come from, and what changes how a tower runs but not what it gives
_IGNORED = {
    'cache',
    'chunk',
    'frozen',
    'init_cfg',
    'name_or_path',
    'training',
    'warnings_issued',
    'weights',
}


def tower_identity(tower: Tower) -> str:
    """Hash of weights, architecture and taps, the same in every process.

    Random towers have one too. The architecture is the class of each module and its
    settings, such as a number of heads or an activation.
    """
    names = {id(module): name for name, module in tower.named_modules()}
    taps = [
        (kind, [names[id(module)] for module in tower.find('taps', kind, layers)])
        for kind, layers in tower.tapped.items()
    ]
    modules = [
        (name, type(module).__qualname__, _settings(module))
        for name, module in tower.named_modules()
    ]
    tensors = dict(tower.named_parameters()) | dict(tower.named_buffers())
    content = json.dumps([modules, taps, tensors_sha256(tensors)])
    return hashlib.sha256(content.encode()).hexdigest()


def _settings(module: nn.Module) -> list:
    return [
        (name, _named(value))
        for name, value in sorted(vars(module).items())
        if not name.startswith('_') and name not in _IGNORED
    ]


def _named(value):
    """A value as JSON has it, without what differs from process to process."""
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, list | tuple):
        return [_named(one) for one in value]
    if isinstance(value, dict):
        return [(str(key), _named(one)) for key, one in value.items()]
    if isinstance(value, Tensor):
        return tensors_sha256({'': value})
    if isinstance(value, torch.dtype | torch.device):
        return str(value)
    return getattr(value, '__qualname__', type(value).__qualname__)
