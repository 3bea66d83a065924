"""Features of frozen towers on disk, read through memory maps."""

import hashlib
import logging
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import torch
from filelock import FileLock
from mmengine.logging import print_log
from safetensors import safe_open
from safetensors.torch import save

from ..atomic_file import remove_unfinished, write_atomically
from .feature_layout import FeatureLayout, PackedFeatures

KEY_BYTES = 16


class FeatureStore:
    """Packed features by key, in safetensors files of one folder.

    Files are written whole or not at all and never changed, so that any number of
    processes can read while one writes. A file is named after the hash of its content,
    which is compared when a process first opens it: a damaged one is removed, with a
    line in the log, and its features are computed again. What a killed process left
    unfinished is removed by the next that writes.

    Args:
        folder: Where the files lie; made when first written to. One folder is for one
            tower with one set of taps: :class:`FeatureCache` names it so.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._files: dict[Path, _File] = {}
        self._places: dict[bytes, tuple[_File, int]] = {}
        self.refresh()

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, key: bytes) -> bool:
        return key in self._places

    @property
    def num_bytes(self) -> int:
        """Size of the files."""
        return sum(path.stat().st_size for path in self._files)

    def refresh(self) -> None:
        """Open what other processes have written; remove what is damaged."""
        for path in sorted(self.folder.glob('*.safetensors')):
            if path in self._files:
                continue
            try:
                content = path.read_bytes()
            except FileNotFoundError:
                continue  # another process found it damaged
            if _name(content) != path.name:
                print_log(
                    f'{path} is damaged: removed, its features are computed anew',
                    logger='current',
                    level=logging.WARNING,
                )
                # another process may have been faster, or the folder is read-only
                with suppress(OSError):
                    path.unlink()
                continue
            file = self._files[path] = _File(path)
            for number, key in enumerate(file.keys):
                self._places[key] = file, number

    def read(self, key: bytes) -> tuple[FeatureLayout, PackedFeatures]:
        """Features of a key.

        Raises:
            KeyError: They are not there.
        """
        file, number = self._places[key]
        return file.layout, file.read(number)

    def write(
        self, layout: FeatureLayout, packed: Mapping[bytes, PackedFeatures]
    ) -> None:
        """Add a file with the features of some keys.

        Raises:
            OSError: The file cannot be written, as when the disk is full; names the
                file, and nothing of it is left.
        """
        rows, masks, maps = zip(*packed.values(), strict=True)
        keys = torch.frombuffer(bytearray(b''.join(packed)), dtype=torch.uint8)
        tensors = dict(
            keys=keys.view(-1, KEY_BYTES),
            lengths=torch.tensor([len(mask) for mask in masks]),
            rows=torch.cat(rows).cpu(),
            mask=torch.cat(masks).cpu(),
            maps=torch.stack(maps).cpu(),
        )
        content = save(tensors, metadata=dict(layout=layout.to_json()))
        path = self.folder / _name(content)
        try:
            write_atomically(path, content)
        except OSError as error:
            raise OSError(
                f'{path}: the feature cache cannot be written ({error.strerror}); free '
                'some space or name another folder'
            ) from error

    def require_space(self, needed: int) -> None:
        """Refuse to begin what will not fit.

        Args:
            needed: Bytes to be written.

        Raises:
            OSError: The disk has less room than that.
        """
        free = shutil.disk_usage(self.folder).free
        if needed > free:
            raise OSError(
                f'{self.folder}: the feature cache needs {needed / 2**30:.1f} GiB and '
                f'the disk has {free / 2**30:.1f} GiB left; free some space, name '
                "another folder, or keep dtype='float16'"
            )

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Be the only writer; wait for the one there is, and see what it wrote."""
        self.folder.mkdir(parents=True, exist_ok=True)
        # the lock goes with the process, however it ends
        with FileLock(self.folder / 'lock'):
            remove_unfinished(self.folder)
            self.refresh()
            yield
            self.refresh()


class _File:
    """One file, mapped into memory."""

    def __init__(self, path: Path) -> None:
        file = safe_open(path, 'pt')
        self.layout = FeatureLayout.from_json(file.metadata()['layout'])
        self.keys = [key.tobytes() for key in file.get_tensor('keys').numpy()]
        ends = file.get_tensor('lengths').cumsum(0).tolist()
        self._spans = list(zip([0, *ends], ends, strict=False))
        self._rows, self._mask, self._maps = map(
            file.get_slice, ('rows', 'mask', 'maps')
        )

    def read(self, number: int) -> PackedFeatures:
        start, end = self._spans[number]
        maps = self._maps[number : number + 1][0]
        return PackedFeatures(self._rows[start:end], self._mask[start:end], maps)


def _name(content: bytes) -> str:
    digest = hashlib.blake2b(content, digest_size=KEY_BYTES)
    return f'{digest.hexdigest()}.safetensors'
