"""What a dataset's files were like when they were found to be complete."""

import json
from collections.abc import Iterable
from pathlib import Path

from ...atomic_file import write_atomically
from ...checkpoints import file_sha256


class Manifest:
    """Sizes and checksums in ``prepare.json`` beside the files.

    A file has its size and sha256; a folder of images their number and their sizes'
    sum, since there are tens of thousands of them.

    Args:
        folder (Path): The dataset's folder.

    Raises:
        ValueError: The file is no such manifest.
    """

    NAME = 'prepare.json'

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / self.NAME
        self.entries = {}
        if self.path.is_file():
            try:
                self.entries = dict(json.loads(self.path.read_bytes()))
            except (ValueError, TypeError) as error:
                raise ValueError(
                    f'{self.path}: not a complete JSON file; delete it, and it is '
                    'written anew'
                ) from error

    def changed(self, files: Iterable[str]) -> list[str]:
        """Compare with what was recorded.

        Args:
            files (Iterable[str]): Paths below the folder, a folder's with '/' at the
                end. What is missing or was never recorded is passed over.

        Returns:
            list[str]: A line for each that is not as it was.
        """
        return [
            f'{self.folder / file}: has changed since it was found complete: '
            f'{_describe(found)} instead of {_describe(self.entries[file])}; get the '
            f'original again, or, if the change is meant, delete {self.path}'
            for file in files
            if file in self.entries and (self.folder / file).exists()
            if (found := self._measure(file)) != self.entries[file]
        ]

    def record(self, files: Iterable[str]) -> None:
        """Write down what these files are like now."""
        self.entries |= {file: self._measure(file) for file in files}
        content = json.dumps(self.entries, indent=2, sort_keys=True) + '\n'
        write_atomically(self.path, content.encode())

    def _measure(self, file: str) -> dict:
        path = self.folder / file
        if file.endswith('/'):
            sizes = [p.stat().st_size for p in path.rglob('*') if p.is_file()]
            return dict(files=len(sizes), bytes=sum(sizes))
        return dict(bytes=path.stat().st_size, sha256=file_sha256(path))


def _describe(entry: dict) -> str:
    return ', '.join(
        f'{name} {str(value):.16}' for name, value in sorted(entry.items())
    )
