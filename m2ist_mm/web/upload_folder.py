"""The folder that uploads pass through."""

import os
import shutil
import tempfile
import threading
import time
from pathlib import Path


class UploadFolder:
    """A temporary folder whose files are deleted when they are old, and at the end.

    Args:
        max_age: Seconds since the last change at which a file is deleted.
        period: Seconds between two looks.
    """

    def __init__(self, max_age: float, period: float = 5) -> None:
        self.max_age = max_age
        self.period = period
        self._closed = threading.Event()

    def __enter__(self) -> 'UploadFolder':
        self.path = Path(tempfile.mkdtemp(prefix='m2ist_mm-uploads-'))
        self._sweeper = threading.Thread(target=self._sweep_on, daemon=True)
        self._sweeper.start()
        return self

    def __exit__(self, *error) -> None:
        self._closed.set()
        self._sweeper.join()
        shutil.rmtree(self.path, ignore_errors=True)

    def size(self) -> int:
        """Bytes of all files in it."""
        return sum(size for _, size, _ in self._files())

    def sweep(self) -> None:
        """Delete the old files, and folders that are empty since then."""
        oldest = time.time() - self.max_age
        for path, _, changed in self._files():
            if changed < oldest:
                path.unlink(missing_ok=True)
        for name, *_ in os.walk(self.path, topdown=False):
            folder = Path(name)
            try:
                if folder != self.path and folder.stat().st_ctime < oldest:
                    folder.rmdir()
            except OSError:
                continue  # not empty, or gone

    def _sweep_on(self) -> None:
        while not self._closed.wait(self.period):
            self.sweep()

    def _files(self) -> list[tuple[Path, int, float]]:
        """Path, bytes and time of the last change of each file."""
        found = []
        # unlike Path.rglob, it passes over folders that vanish
        for folder, _, names in os.walk(self.path):
            for path in (Path(folder, name) for name in names):
                try:
                    stat = path.stat()
                except OSError:
                    continue  # deleted meanwhile
                found.append((path, stat.st_size, stat.st_ctime))
        return found
