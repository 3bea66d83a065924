"""Files that are there whole or not at all."""

import os
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
    """
    path = Path(path)
    # one fixed name, so that a process killed here leaves at most one such file, which
    # the next write reuses
    temporary = path.with_name(f'.{path.name}.tmp')
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, 'wb') as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise OSError(
            error.errno,
            f'{error.strerror}; the file was not written, an older one is unchanged',
            str(path),
        ) from error
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
