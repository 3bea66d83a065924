"""Validation of a checkpoint that was saved just before its training was killed."""

from pathlib import Path

from mmengine.runner import EpochBasedTrainLoop, Runner

from ..atomic_file import write_atomically

# holds the name of the newest checkpoint that was validated
_MARK = 'last_validation'


def mark_validated(runner: Runner, checkpoint: str) -> None:
    """Write down that a checkpoint was validated.

    Args:
        runner: The runner that validated it.
        checkpoint: Path of the checkpoint.
    """
    write_atomically(Path(runner.work_dir, _MARK), Path(checkpoint).name.encode())


def is_validation_pending(runner: Runner, checkpoint: str) -> bool:
    """Whether the checkpoint that a training resumed from still is to be validated.

    Args:
        runner: A runner that has resumed.
        checkpoint: Path of the checkpoint.
    """
    if runner.val_loop is None:
        return False
    loop = runner.train_loop
    loop._decide_current_val_interval()
    if isinstance(loop, EpochBasedTrainLoop):
        done, last = loop.epoch, loop.max_epochs
    else:
        done, last = loop.iter, loop.max_iters
    due = done >= max(loop.val_begin, 1) and (
        done % loop.val_interval == 0 or done == last
    )
    mark = Path(runner.work_dir, _MARK)
    return due and not (
        mark.is_file() and mark.read_text().strip() == Path(checkpoint).name
    )
