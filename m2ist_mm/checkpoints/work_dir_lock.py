"""One training at a time in a work dir."""

from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from ..atomic_file import remove_unfinished

# the data loader's processes of a killed training live on for five seconds
PATIENCE = 12


def lock_work_dir(work_dir: str | Path) -> BaseFileLock:
    """Be the only process that trains in a work dir, and clean up what others left.

    Args:
        work_dir: The folder; made if it is not there.

    Returns:
        The lock, to be released at the end. It goes with the process, however that
        ends. A process can hold it several times.

    Raises:
        BlockingIOError: Another process trains there.
    """
    Path(work_dir).mkdir(parents=True, exist_ok=True)
    lock = FileLock(Path(work_dir, 'training.lock').resolve(), is_singleton=True)
    try:
        lock.acquire(timeout=PATIENCE)
    except Timeout as error:
        raise BlockingIOError(
            f'another training runs in {work_dir}: wait for its end, or name another '
            'folder with --work-dir'
        ) from error
    remove_unfinished(work_dir)
    return lock
