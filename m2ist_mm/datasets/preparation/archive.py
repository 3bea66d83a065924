"""Archives whose content is looked at before it is trusted."""

import errno
import lzma
import os
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

_DAMAGED = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    RuntimeError,  # encrypted, or compressed in an unknown way
    # of gzip and bz2; errors of the disk are told apart by errno
    OSError,
)


class Archive:
    """A zip or tar file.

    Only files are taken out of it: links and devices are refused, and so is an archive
    with a path that leads out of the folder. The filters of ``tarfile`` and ``zipfile``
    make some of these harmless in silence (a leading slash is dropped), and tell
    nobody that the archive is not the original.

    Args:
        path (Path): The archive.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def unpack(self, folder: Path, place: Callable[[str], str | None]) -> int:
        """Take files out, so that no file is ever there in part.

        Files go to ``.NAME.partial/`` first, and to their places when the archive was
        read to its end without fault. What an interrupted run has left there, and what
        is in its place already with the size of the archive's, is not written again.

        Args:
            folder (Path): Where to.
            place (Callable): Gives the path below ``folder`` of a path in the archive,
                or ``None`` for what is not wanted.

        Returns:
            int: The number of files that were written or moved.

        Raises:
            ValueError: The archive is damaged, incomplete, unsafe, or has nothing that
                is wanted.
            OSError: The disk is full (known before anything is written), or a file
                cannot be written.
        """
        partial = folder / f'.{self.path.name}.partial'
        with self._read() as (members, open_member):
            wanted = self._choose(members, place)
            targets = {}
            for number, (target, size) in wanted.items():
                done = partial / target
                if not (_has_size(folder / target, size) or _has_size(done, size)):
                    targets[number] = done
            self._check_space(folder, sum(wanted[n][1] for n in targets))
            for number, target in targets.items():
                with open_member(number) as source:
                    _write(source, target, wanted[number][1])
        return _move(partial, folder)

    @contextmanager
    def _read(self) -> Iterator[tuple[list, Callable]]:
        """Open the archive; give names, sizes and kinds, and how to open a member.

        Raises:
            ValueError: The archive is damaged.
        """
        try:
            with self._open() as (members, open_member):
                yield members, open_member
        except _DAMAGED as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise ValueError(
                f'{self.path}: damaged or incomplete archive ({error}); delete it and '
                'get it again'
            ) from error

    @contextmanager
    def _open(self) -> Iterator[tuple[list, Callable]]:
        """Open as what the file's first bytes say it is."""
        if tarfile.is_tarfile(self.path):
            with tarfile.open(self.path) as tar:
                infos = tar.getmembers()
                # the rest has no files, but a compressed stream's checksum
                while tar.fileobj.read(1 << 20):
                    pass
                members = [(m.name, m.size, m.isfile(), m.isdir()) for m in infos]
                yield members, lambda number: tar.extractfile(infos[number])
            return
        with zipfile.ZipFile(self.path) as archive:
            infos = archive.infolist()
            members = [
                # the upper half is the mode of Unix; a link's begins with 0o12
                (m.filename, m.file_size, m.external_attr >> 28 != 0o12, m.is_dir())
                for m in infos
            ]
            yield members, lambda number: archive.open(infos[number])

    def _choose(
        self, members: list[tuple], place: Callable[[str], str | None]
    ) -> dict[int, tuple[str, int]]:
        """Give place and size of what is wanted, by its number in the archive."""
        wanted = {}
        for number, (name, size, is_file, is_folder) in enumerate(members):
            path = PurePosixPath(name)
            if path.is_absolute() or '..' in path.parts or '\\' in name:
                raise ValueError(
                    f'{self.path}: has a path that leads out of the folder, {name!r}; '
                    'nothing was unpacked; get the original archive'
                )
            target = None if is_folder else place(name)
            if target is None:
                continue
            if not is_file:
                raise ValueError(
                    f'{self.path}: {name!r} is a link or a device, not a file; nothing '
                    'was unpacked; get the original archive'
                )
            wanted[number] = target, size
        if not wanted:
            raise ValueError(
                f'{self.path}: has none of the files that are looked for; it is '
                'another archive of this name'
            )
        return wanted

    def _check_space(self, folder: Path, size: int) -> None:
        """Refuse to begin what the disk has no room for."""
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
        if size > free:
            raise OSError(
                errno.ENOSPC,
                f'{self.path}: unpacked it takes {size / 1e9:.2f} GB, and {folder} has '
                f'{free / 1e9:.2f} GB free; nothing was unpacked; make room, or name '
                'another folder',
            )


def _has_size(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size


def _move(partial: Path, folder: Path) -> int:
    """Move all that is in ``partial`` to its place: folders whole where there is none.

    Returns:
        int: The number of files moved.
    """
    files = [path for path in partial.rglob('*') if path.is_file()]
    for top in list(partial.iterdir()) if files else []:
        if not (folder / top.name).exists():
            os.replace(top, folder / top.name)
    for path in files:
        if path.is_file():  # its folder was there before
            target = folder / path.relative_to(partial)
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(path, target)
    shutil.rmtree(partial, ignore_errors=True)
    return len(files)


def _write(source: IO[bytes], target: Path, size: int) -> None:
    """Write a file under another name, and rename it when it is whole."""
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f'{target.name}.unfinished')
    with open(unfinished, 'wb') as file:
        shutil.copyfileobj(source, file, 1 << 20)
    if unfinished.stat().st_size != size:
        raise EOFError(f'{target.name} ends early')
    os.replace(unfinished, target)
