"""Features of a frozen tower, computed once per distinct input."""

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path

import torch
from mmengine.dist import all_gather_object, get_dist_info
from mmengine.logging import print_log
from rich.progress import track
from torch import Tensor

from ..models.towers import Tower
from ..structures import TowerFeatures
from .feature_layout import FeatureLayout, PackedFeatures
from .feature_store import KEY_BYTES, FeatureStore
from .tower_identity import tower_identity

DTYPES = dict(float32=torch.float32, float16=torch.float16)
FILE_BYTES = 64 * 2**20

Entry = tuple[FeatureLayout, PackedFeatures]
Run = Callable[[Tensor, Tensor], TowerFeatures]


def check_settings(
    max_entries: int = 0, dtype: str = 'float32', folder: str | None = None
) -> None:
    """Check the settings of a :class:`FeatureCache`.

    Raises:
        ValueError: One makes no sense, or the cache would keep nothing.
    """
    if dtype not in DTYPES:
        raise ValueError(f'a cache has dtype {" or ".join(DTYPES)}, not {dtype!r}')
    least = 1 if folder is None else 0
    if type(max_entries) is not int or max_entries < least:
        raise ValueError(
            f'a cache {"without" if least else "with a"} folder needs max_entries of '
            f'at least {least}, got {max_entries!r}'
        )


class FeatureCache:
    """Keeps a tower's features in memory, on disk, or in memory before the disk.

    ``tower.cache = FeatureCache(tower, ...)`` makes :meth:`Tower.encode` use it. New
    inputs of a batch are encoded together, in float32, and stored. Features depend on
    the input alone, up to rounding, which may vary with the batch size. An image is
    identified by the hash of its normalised pixels and its padding, an expression by
    its token ids; padding of expressions is not stored.

    When the tower's parameters or taps change, features in memory are dropped. A copy
    of the tower has its own, empty cache.

    Under DDP each rank has its own memory, which :meth:`build` fills with the features
    of all ranks, and all ranks read the same files.

    Args:
        tower: A frozen tower; one that builds a graph never uses its cache.
        max_entries: Number of distinct inputs in memory, on the device of the tower;
            the least recently used is dropped first.
        dtype: ``'float32'``, or ``'float16'``, which halves the size and rounds to 11
            bits.
        folder: Where :meth:`build` stores features on disk; ``None`` is nowhere. Other
            weights, another architecture or other taps have other files.

    Raises:
        ValueError: See :func:`check_settings`.
    """

    def __init__(
        self,
        tower: Tower,
        max_entries: int = 0,
        dtype: str = 'float32',
        folder: str | None = None,
    ) -> None:
        check_settings(max_entries, dtype, folder)
        self.tower = tower
        self.max_entries = max_entries
        self.dtype = dtype
        self.folder = folder
        self._lock = threading.RLock()
        self._parameters = self._identity = None
        self.clear()

    def __len__(self) -> int:
        return len(self._memory)

    def __reduce__(self):
        # of copies and pickles: neither locks, nor open files, nor gigabytes
        return type(self), (self.tower, self.max_entries, self.dtype, self.folder)

    def clear(self) -> None:
        """Forget all features that are in memory."""
        self._memory: OrderedDict[bytes, Entry] = OrderedDict()
        self._store = None

    @property
    def store(self) -> FeatureStore | None:
        """The files of this tower, if a folder is given."""
        self._follow_tower()
        if self._store is None and self.folder is not None:
            name = hashlib.sha256(f'{self._identity} {self.dtype}'.encode())
            self._store = FeatureStore(Path(self.folder) / name.hexdigest()[:16])
        return self._store

    def __call__(self, run: Run, x: Tensor, mask: Tensor) -> TowerFeatures:
        """Look a batch up, and encode what is new in it.

        Args:
            run: The tower: inputs to their features.
            x: Inputs as the tower takes them: (B, 3, H, W) or (B, L).
            mask: Their mask.

        Returns:
            The output of ``run(x, mask)``, float32, zero in the padding of texts.
        """
        with self._lock:
            store = self.store
            keys = self._keys(x, mask)
            entries, new = {}, {}
            for place, key in enumerate(keys):
                if key in self._memory:
                    entries[key] = self._memory[key]
                elif store is not None and key in store:
                    entries[key] = store.read(key)
                else:
                    new.setdefault(key, place)
            if new:
                encoded = self._encode(run, x, mask, list(new.values()))
                entries.update(zip(new, encoded, strict=True))
            entries = {key: _move(entry, x.device) for key, entry in entries.items()}
            self._remember(entries)
        layout = entries[keys[0]][0]
        packed = [entries[key][1] for key in keys]
        return layout.unpack(packed, x.shape[1] if self._trims else len(packed[0].mask))

    def build(
        self,
        batches: Sequence[tuple[Tensor, Tensor]],
        num_inputs: int,
        num_tokens: int,
        name: str,
    ) -> None:
        """Encode many inputs, except those already stored, with a progress bar.

        They are stored on disk, or in memory if there is no folder. For the memory, all
        ranks must call this: each encodes its share, and all store everything. On disk,
        an interrupted build continues; of several at once, one works, the others wait.

        Args:
            batches: For each batch its inputs and their mask, as of :meth:`__call__`.
            num_inputs: Number of all inputs.
            num_tokens: Tokens of all inputs together.
            name: What the inputs are called in messages.

        Raises:
            OSError: The disk has too little space.
        """
        with self._lock:
            store = self.store
            with nullcontext() if store is None else store.writing():
                pending: dict[bytes, Entry] = {}
                for entries in self._encode_new(batches, num_inputs, num_tokens, name):
                    if store is None:
                        self._remember(_gather(entries, self._device))
                        continue
                    pending |= entries
                    if _num_bytes(pending) >= FILE_BYTES:
                        _write(store, pending)
                        pending = {}
                _write(store, pending)

    def num_bytes(
        self, batches: Sequence[tuple[Tensor, Tensor]], num_inputs: int, num_tokens: int
    ) -> int:
        """Bytes that :meth:`build` would store; encodes one input.

        Args:
            batches, num_inputs, num_tokens: See :meth:`build`.
        """
        x, mask = batches[0]
        layout, _ = self._encode(self.tower.run, x[:1], mask[:1], [0])[0]
        return layout.num_values(num_inputs, num_tokens) * DTYPES[self.dtype].itemsize

    @property
    def _device(self) -> torch.device:
        return next(self.tower.parameters()).device

    @property
    def _trims(self) -> bool:
        return self.tower.modality == 'language'

    def _follow_tower(self) -> None:
        """Forget what was encoded with other weights or taps."""
        # not buffers: data-parallel wrappers write the same values into them again and
        # again
        parameters = [(p.data_ptr(), p._version) for p in self.tower.parameters()]
        state = parameters, self.tower.tapped
        if state != self._parameters:
            identity = tower_identity(self.tower)
            if identity != self._identity:
                self.clear()
            self._parameters, self._identity = state, identity

    def _keys(self, x: Tensor, mask: Tensor) -> list[bytes]:
        inputs = zip(x.detach().cpu(), mask.cpu(), strict=True)
        if self._trims:
            return [_hash(ids[seen.bool()]) for ids, seen in inputs]
        return [_hash(image, padding) for image, padding in inputs]

    def _encode(
        self, run: Run, x: Tensor, mask: Tensor, places: list[int]
    ) -> list[Entry]:
        # what is kept shall not depend on the precision of who came first
        with torch.autocast(x.device.type, enabled=False):
            whole = len(places) == len(x)
            features = run(x, mask) if whole else run(x[places], mask[places])
        lengths = [features.mask.shape[1]] * len(places)
        if self._trims:
            lengths = (~features.mask).sum(1).tolist()
        layout = FeatureLayout.of(features)
        packed = layout.pack(features, lengths, DTYPES[self.dtype])
        return [(layout, one) for one in packed]

    def _encode_new(
        self, batches: Sequence, num_inputs: int, num_tokens: int, name: str
    ) -> Iterator[dict[bytes, Entry]]:
        """Batch by batch what was not known yet; log size and time first.

        For the memory each rank does its part, in as many rounds as the others.
        """
        store = self._store
        known = self._memory if store is None else store
        # what waits to be written; else, after a kill, other inputs would be encoded
        # together than without one, and rounded differently
        seen: set[bytes] = set()
        rank, world_size = get_dist_info() if store is None else (0, 1)
        rounds, announced = range(-(-len(batches) // world_size)), False
        for number in track(rounds, f'encoding {name}', disable=rank > 0):
            start, own, new = time.perf_counter(), number * world_size + rank, {}
            if own < len(batches):
                x, mask = batches[own]
                keys = self._keys(x, mask)
                new = {
                    key: place
                    for place, key in enumerate(keys)
                    if key not in known and key not in seen
                }
                seen |= new.keys()
            if not new:
                yield {}
                continue
            encoded = self._encode(self.tower.run, x, mask, list(new.values()))
            if not announced:
                announced = True
                seconds = (time.perf_counter() - start) * (len(rounds) - number)
                values = encoded[0][0].num_values(num_inputs, num_tokens)
                self._announce(name, values * DTYPES[self.dtype].itemsize, seconds)
            yield dict(zip(new, encoded, strict=True))

    def _announce(self, name: str, needed: int, seconds: float) -> None:
        """Log size and time of a build; check that the disk has space for it."""
        there, store = 0, self._store
        if store is not None:
            there = store.num_bytes
            store.require_space(needed - there)
        print_log(
            f'Feature cache of {name} in {"memory" if store is None else store.folder}:'
            f' {needed / 2**20:,.0f} MiB, {there / 2**20:,.0f} MiB are there; going by '
            f'the first batch, it takes about {seconds / 60:.1f} minutes',
            logger='current',
        )

    def _remember(self, entries: dict[bytes, Entry]) -> None:
        for key, entry in entries.items():
            self._memory[key] = entry
            self._memory.move_to_end(key)
        while len(self._memory) > self.max_entries:
            self._memory.popitem(last=False)


def _hash(*tensors: Tensor) -> bytes:
    """Short name of an input: equal for equal content, else different."""
    digest = hashlib.blake2b(digest_size=KEY_BYTES)
    for tensor in tensors:
        digest.update(f'{tensor.dtype} {tuple(tensor.shape)}'.encode())
        digest.update(tensor.contiguous().view(torch.uint8).numpy())
    return digest.digest()


def _move(entry: Entry, device: torch.device) -> Entry:
    layout, packed = entry
    return layout, PackedFeatures(*(part.to(device) for part in packed))


def _num_bytes(entries: dict[bytes, Entry]) -> int:
    return sum(one.rows.nbytes + one.maps.nbytes for _, one in entries.values())


def _write(store: FeatureStore, entries: dict[bytes, Entry]) -> None:
    """Write a file for each layout."""
    for layout in dict.fromkeys(layout for layout, _ in entries.values()):
        own = {key: one for key, (its, one) in entries.items() if its == layout}
        store.write(layout, own)


def _gather(entries: dict[bytes, Entry], device: torch.device) -> dict[bytes, Entry]:
    """What all ranks have encoded."""
    if get_dist_info()[1] == 1:
        return entries
    cpu = torch.device('cpu')
    return {
        key: _move(entry, device)
        for gathered in all_gather_object(
            {k: _move(e, cpu) for k, e in entries.items()}
        )
        for key, entry in gathered.items()
    }
