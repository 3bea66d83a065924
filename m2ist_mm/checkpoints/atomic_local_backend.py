"""MMEngine's local file backend with atomic writes."""

from pathlib import Path

from mmengine.fileio import LocalBackend, register_backend

from ..atomic_file import write_atomically


class AtomicLocalBackend(LocalBackend):
    """Local files that are never half-written; see :func:`write_atomically`."""

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write ``obj`` to ``filepath``."""
        write_atomically(filepath, obj)

    def put_text(self, obj: str, filepath: str | Path, encoding: str = 'utf-8') -> None:
        """Write the text ``obj`` to ``filepath``."""
        write_atomically(filepath, obj.encode(encoding))


register_backend('atomic_local', AtomicLocalBackend, force=True)
