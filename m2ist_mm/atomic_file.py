"""Files that are there whole or not at all."""

import os
import uuid
from contextlib import suppress
from pathlib import Path


def write_atomically(path: str | Path, content: bytes) -> None:
    """Write a file beside its place and move it there when it is complete.

    Args:
        path: Where the file goes; missing folders are made. A file that is there
            already is replaced only when all of ``content`` is on the disk.
        content: What the file shall hold.

    Raises:
        OSError: The file could not be written (disk full, no permission); names the
            file. Nothing half-written is left, and an older file stays as it was.

    Several may write the same file: the last one's content is there, whole. What a
    killed process leaves is removed by :func:`remove_unfinished`.
    """
    path = Path(path)
    temporary = path.with_name(f'.{path.name}.{uuid.uuid4().hex}.tmp')
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, 'xb') as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        with suppress(OSError):  # the first error is the one to tell
            temporary.unlink()
        if not isinstance(error, OSError):
            raise
        raise OSError(
            error.errno,
            f'{error.strerror}; the file was not written, an older one is unchanged',
            str(path),
        ) from error


def make_folder(option: str, folder: str | Path) -> None:
    """Make the folder that an option names, before what shall go there is made.

    Raises:
        OSError: It cannot be made; names the option.
    """
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(
            f'{option} {folder}: no folder can be made there ({error.strerror})'
        ) from error


def remove_unfinished(folder: str | Path) -> None:
    """Remove what killed processes left of files that they were writing.

    Args:
        folder: A folder that nobody else writes to at this time.
    """
    for path in Path(folder).glob('.*.tmp'):
        path.unlink(missing_ok=True)
