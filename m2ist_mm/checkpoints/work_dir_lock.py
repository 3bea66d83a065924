"""One training at a time in a work dir."""

from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from ..atomic_file import make_folder, remove_unfinished

# the data loader's processes survive a killed training by five seconds
PATIENCE = 12


def lock_work_dir(work_dir: str | Path) -> BaseFileLock:
    """Lock a work dir for one training, and remove unfinished files of killed ones.

    Args:
        work_dir: The folder; made if it is not there.

    Returns:
        The lock, to be released at the end; it is also released when the process ends,
        in whatever way. A process can hold it several times.

    Raises:
        BlockingIOError: Another process trains there.
        OSError: The folder cannot be made.
    """
    make_folder('--work-dir', work_dir)
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
