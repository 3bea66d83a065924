"""Loading of checkpoints and other files of weights."""

from pathlib import Path
from typing import Any

from .identity import is_identity
from .resumable_checkpoint import ResumableCheckpoint
from .state_checks import check_state
from .torch_file import read_torch_file


def load_checkpoint(path: str | Path) -> dict:
    """Read a checkpoint, without running code from it.

    Args:
        path: A file with ``state_dict`` and perhaps ``meta`` and more, or a bare state
            dict.

    Returns:
        Its content, a :class:`ResumableCheckpoint` if there is ``meta``; all tensors
        on the CPU.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is damaged, holds objects that could run code, is no checkpoint,
            or has weights that are not finite. One line with the file's name.
    """
    path = Path(path).expanduser()
    content = read_torch_file(path)
    if not isinstance(content, dict):
        raise ValueError(
            f'{path} holds a {type(content).__name__} and no checkpoint (a dict with '
            "'state_dict')"
        )
    for key in ('state_dict', 'ema_state_dict'):
        check_state(content.get(key, {}), f'{path} ({key})')
    if 'state_dict' not in content and 'meta' not in content:
        check_state(content, str(path))
    if 'meta' not in content:
        return content
    _check_meta(content['meta'], path)
    # MMEngine runs it as Python
    content['meta'].pop('config', None)
    return ResumableCheckpoint(content, str(path))


def _check_meta(meta: Any, path: Path) -> None:
    if not isinstance(meta, dict):
        raise ValueError(f"{path}: its 'meta' is a {type(meta).__name__}, not a dict")
    towers = meta.get('towers', {})
    if not isinstance(towers, dict) or not all(map(is_identity, towers.values())):
        raise ValueError(
            f"{path}: its 'meta.towers' does not give name and sha256 of each tower"
        )
