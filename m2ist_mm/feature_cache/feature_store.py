"""Features of frozen towers on disk, read through memory maps."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from filelock import FileLock
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from ..atomic_file import remove_unfinished, write_atomically

KEY_BYTES = 16


class FeatureStore:
    """Stacks of features by key, in safetensors files of one folder.

    Files are written whole or not at all and never changed, so that any number of
    processes can read while one writes. What a killed process left unfinished is
    removed by the next that writes; a damaged file is removed and its features are
    computed anew.

    Args:
        folder: Where the files lie; made when first written to. One folder is for one
            tower with one set of taps: :class:`FeatureCache` names it so.
        dtype: Type in which features are kept, ``torch.float32`` or ``torch.float16``.
    """

    def __init__(self, folder: str | Path, dtype: torch.dtype) -> None:
        self.folder = Path(folder)
        self.dtype = dtype
        self.refresh()

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, key: bytes) -> bool:
        return key in self._places

    @property
    def num_bytes(self) -> int:
        """Size of the files."""
        return sum(path.stat().st_size for path in self.folder.glob('*.safetensors'))

    def refresh(self) -> list[Path]:
        """Look for what other processes have written.

        Returns:
            Files that are damaged.
        """
        self._places: dict[bytes, tuple[Path, int, int]] = {}
        self._files = {}
        damaged = []
        for path in sorted(self.folder.glob('*.safetensors')):
            try:
                with safe_open(path, 'pt') as file:
                    keys = file.get_tensor('keys').numpy()
                    ends = file.get_tensor('lengths').cumsum(0).tolist()
                    sound = file.get_slice('features').get_shape()[0] == ends[-1]
            except (SafetensorError, OSError, IndexError):
                sound = False
            if not sound:
                damaged.append(path)
                continue
            for key, start, end in zip(keys, [0, *ends], ends, strict=False):
                self._places[key.tobytes()] = path, start, end
        return damaged

    def read(self, key: bytes) -> tuple[Tensor, Tensor]:
        """Features (N, S, C) of a key, and their mask (N,).

        Raises:
            KeyError: They are not there.
        """
        path, start, end = self._places[key]
        if path not in self._files:
            file = safe_open(path, 'pt')
            self._files[path] = file.get_slice('features'), file.get_slice('mask')
        features, mask = (part[start:end] for part in self._files[path])
        return features, mask

    def write(self, entries: Mapping[bytes, tuple[Tensor, Tensor]]) -> None:
        """Add a file with the features and masks of some keys.

        Raises:
            OSError: The file cannot be written, as when the disk is full; names the
                file, and nothing of it is left.
        """
        stacks, masks = zip(*entries.values(), strict=True)
        tensors = dict(
            keys=torch.frombuffer(bytearray(b''.join(entries)), dtype=torch.uint8),
            lengths=torch.tensor([len(mask) for mask in masks]),
            features=torch.cat(stacks).cpu().to(self.dtype),
            mask=torch.cat(masks).cpu(),
        )
        tensors['keys'] = tensors['keys'].view(-1, KEY_BYTES)
        path = self.folder / f'{next(iter(entries)).hex()}.safetensors'
        try:
            write_atomically(path, save(tensors))
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
        self.folder.mkdir(parents=True, exist_ok=True)
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
            for damaged in self.refresh():
                damaged.unlink()
            yield
            self.refresh()
