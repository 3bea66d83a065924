"""Features of a frozen tower, computed once per distinct input."""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Container, Iterator, Sequence
from pathlib import Path

import torch
from mmengine.dist import all_gather_object, get_dist_info
from mmengine.logging import print_log
from rich.progress import track
from torch import Tensor

from ..structures import TowerFeatures
from .feature_store import KEY_BYTES, FeatureStore

DTYPES = dict(float32=torch.float32, float16=torch.float16)
FILE_BYTES = 64 * 2**20


def feature_key(content: bytes) -> bytes:
    """Short name of an input: equal for equal content, else different."""
    return hashlib.blake2b(content, digest_size=KEY_BYTES).digest()


class FeatureCache:
    """Keeps a tower's features in memory, on disk, or in memory before the disk.

    Inputs that are not there yet are encoded together, once: what is kept depends on
    the input alone and not on the batch that it first came in, but for rounding, which
    may differ with the shape of what is encoded together. Under DDP each rank has its
    own memory, which :meth:`build` fills with what all have encoded, and all read the
    same files.

    Args:
        channels: Width C of the tower.
        taps: Number of taps of each kind.
        trim_padding: Whether inputs are of different lengths, padded on the right to
            that of their batch, which is not kept.
        max_entries: Number of distinct inputs that are kept in memory, on the device of
            the tower; the one that was not asked for the longest leaves first.
        dtype: ``'float32'``, or ``'float16'``, which halves the size and rounds to 11
            bits.
        folder: Where :meth:`build` keeps features on disk; ``None`` is nowhere.
        identity: Says what the tower is: other weights or taps, another answer, and
            other files.
    """

    def __init__(
        self,
        channels: int,
        taps: dict[str, int],
        trim_padding: bool,
        max_entries: int = 0,
        dtype: str = 'float32',
        folder: str | None = None,
        identity: Callable[[], str] = str,
    ) -> None:
        if dtype not in DTYPES:
            raise ValueError(f'a cache has dtype {" or ".join(DTYPES)}, not {dtype!r}')
        self.channels = channels
        self.taps = dict(taps)
        self.trim_padding = trim_padding
        self.max_entries = max_entries
        self.dtype = DTYPES[dtype]
        self.folder = folder
        self._identity = identity
        self.clear()

    def __len__(self) -> int:
        return len(self._memory)

    def clear(self) -> None:
        """Forget all features, as when the tower's weights have changed."""
        self._memory: OrderedDict[bytes, tuple[Tensor, Tensor]] = OrderedDict()
        self._store = None

    @property
    def store(self) -> FeatureStore | None:
        """The files of this tower, if a folder is given."""
        if self._store is None and self.folder is not None:
            name = hashlib.sha256(
                f'{self._identity()} {self.taps} {self.dtype}'.encode()
            )
            self._store = FeatureStore(
                Path(self.folder) / name.hexdigest()[:16], self.dtype
            )
        return self._store

    def lookup(
        self,
        keys: Sequence[bytes],
        device: torch.device,
        encode: Callable[[list[int]], TowerFeatures],
        num_tokens: int | None = None,
    ) -> TowerFeatures:
        """Features of a batch of inputs, encoding only those that are new.

        Args:
            keys: The :func:`feature_key` of each of the B inputs.
            device: That of the tower.
            encode: The tower: positions in the batch to features of these inputs.
            num_tokens: Number N of tokens of the batch, padding included; needed where
                padding is not kept.

        Returns:
            Features as ``encode`` gives them for the batch, float32, zero in padding
            that was not kept.
        """
        entries, new = {}, {}
        for position, key in enumerate(keys):
            if key in self._memory:
                entries[key] = self._memory[key]
            elif self.store is not None and key in self.store:
                entries[key] = tuple(part.to(device) for part in self.store.read(key))
            else:
                new.setdefault(key, position)
        if new:
            # what is kept shall not depend on the precision of who came first
            with torch.autocast(device.type, enabled=False):
                encoded = self._encode(encode, list(new.values()))
            entries.update(zip(new, encoded, strict=True))
        self._remember(entries)
        shape = len(keys), num_tokens or len(entries[keys[0]][1])
        batch = torch.zeros(
            2 + sum(self.taps.values()), *shape, self.channels, device=device
        )
        mask = torch.ones(shape, dtype=torch.bool, device=device)
        for row, key in enumerate(keys):
            stack, padding = entries[key]
            batch[:, row, : len(stack)] = stack.transpose(0, 1)
            mask[row, : len(stack)] = padding
        tokens, input_tokens, *tapped = batch.unbind()
        taps = {}
        for kind, count in self.taps.items():
            taps[kind], tapped = tapped[:count], tapped[count:]
        return TowerFeatures(tokens, mask, input_tokens, taps)

    def build(
        self,
        batches: Sequence[tuple[list[bytes], Callable[[list[int]], TowerFeatures]]],
        device: torch.device,
        num_tokens: int,
        name: str,
    ) -> None:
        """Encode many inputs, those that are not there yet, with a progress bar.

        They go to the disk, or into the memory where there is no folder. For the memory
        all ranks must call this: each encodes its share, all keep everything. A build
        on disk that was interrupted goes on where it was; of several at once one works
        and the others wait.

        Args:
            batches: For each batch of inputs their keys and the tower, as of
                :meth:`lookup`.
            device: That of the tower.
            num_tokens: Tokens of all the inputs together, at most.
            name: What the inputs are, for the messages.

        Raises:
            OSError: The disk has no room for them.
        """
        token_bytes = (
            (2 + sum(self.taps.values())) * self.channels * self.dtype.itemsize
        )
        size, store = num_tokens * token_bytes, self.store
        if store is None:
            print_log(
                f'Feature cache of {name} in memory: {size / 2**20:,.0f} MiB',
                logger='current',
            )
            for entries in self._encode_new(batches, name, self._memory, shared=True):
                self._remember(_gather(entries, device))
            return
        with store.writing():
            there = store.num_bytes
            print_log(
                f'Feature cache of {name} in {store.folder}: at most '
                f'{size / 2**20:,.0f} MiB, {there / 2**20:,.0f} MiB are there',
                logger='current',
            )
            store.require_space(size - there)
            pending: dict[bytes, tuple[Tensor, Tensor]] = {}
            for entries in self._encode_new(batches, name, store, shared=False):
                pending |= entries
                if sum(stack.nbytes for stack, _ in pending.values()) >= FILE_BYTES:
                    store.write(pending)
                    pending = {}
            if pending:
                store.write(pending)

    def _encode_new(
        self, batches: Sequence, name: str, known: Container[bytes], shared: bool
    ) -> Iterator[dict[bytes, tuple[Tensor, Tensor]]]:
        """Batch by batch what was not known yet; log the time that it takes.

        Of ``shared`` work each rank does its part, in as many rounds as the others.
        """
        rank, world_size = get_dist_info() if shared else (0, 1)
        rounds, seconds = range(-(-len(batches) // world_size)), None
        for number in track(rounds, f'encoding {name}', disable=rank > 0):
            own, new = number * world_size + rank, {}
            if own < len(batches):
                keys, encode = batches[own]
                new = {key: place for place, key in enumerate(keys) if key not in known}
            if not new:
                yield {}
                continue
            start = time.perf_counter()
            yield dict(zip(new, self._encode(encode, list(new.values())), strict=True))
            if seconds is None:
                seconds = (time.perf_counter() - start) * (len(rounds) - number)
                print_log(
                    'Feature cache: going by the first batch, it takes about '
                    f'{seconds / 60:.1f} minutes',
                    logger='current',
                )

    def _encode(
        self, encode: Callable[[list[int]], TowerFeatures], positions: list[int]
    ) -> list[tuple[Tensor, Tensor]]:
        """Features (n, S, C) and padding mask (n,) of each input."""
        features = encode(positions)
        stacked = torch.stack(
            [features.tokens, features.input_tokens]
            + [tap for kind in self.taps for tap in features.taps[kind]],
            dim=2,
        )
        lengths = (~features.mask).sum(1).tolist()
        if not self.trim_padding:
            lengths = [features.mask.shape[1]] * len(lengths)
        # a slice would keep the whole group alive
        return [
            (stack[:length].to(self.dtype, copy=True), mask[:length].clone())
            for stack, mask, length in zip(stacked, features.mask, lengths, strict=True)
        ]

    def _remember(self, entries: dict[bytes, tuple[Tensor, Tensor]]) -> None:
        for key, entry in entries.items():
            self._memory[key] = entry
            self._memory.move_to_end(key)
        while len(self._memory) > self.max_entries:
            self._memory.popitem(last=False)


def _gather(
    entries: dict[bytes, tuple[Tensor, Tensor]], device: torch.device
) -> dict[bytes, tuple[Tensor, Tensor]]:
    """What all ranks have encoded."""
    if get_dist_info()[1] == 1:
        return entries
    own = {key: tuple(part.cpu() for part in entry) for key, entry in entries.items()}
    return {
        key: tuple(part.to(device) for part in entry)
        for gathered in all_gather_object(own)
        for key, entry in gathered.items()
    }
