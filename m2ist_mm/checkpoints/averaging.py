"""Means of checkpoints."""

from pathlib import Path

from .checkpoint_file import load_checkpoint
from .state_file import save_state_file, state_in


def average_with_start(start: str | Path, trained: str | Path, path: Path) -> None:
    """Write the mean of a trained checkpoint and of the one that it started from.

    It keeps more of what the start could do: WiSE-FT (Wortsman et al., "Robust
    fine-tuning of zero-shot models", CVPR 2022) with a mixing coefficient of one half.

    Args:
        start: The checkpoint that the training started from.
        trained: The checkpoint that it gave.
        path: The file to write: the weights of ``trained``, and its ``meta`` without
            what a resume needs.

    Raises:
        FileNotFoundError, ValueError: As :func:`load_checkpoint`; or ``start`` has not
            all the weights.
    """
    before = state_in(load_checkpoint(start), str(start))
    checkpoint = load_checkpoint(trained)
    state = dict(checkpoint['state_dict'])
    if missing := sorted(state.keys() - before.keys()):
        raise ValueError(
            f'{start} cannot be averaged with {trained}: has no {missing[0]}'
        )
    for name, value in state.items():
        if value.is_floating_point():
            state[name] = value.lerp(before[name].to(value.dtype), 0.5)
    meta = {key: checkpoint['meta'][key] for key in ('towers', 'epoch', 'iter')}
    save_state_file(state, path, meta)
