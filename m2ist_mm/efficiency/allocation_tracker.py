"""Exact bytes of the tensors that a computation makes."""

import weakref

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class AllocationTracker(TorchDispatchMode):
    """Counts the storages that are made inside it, from their making to their end.

    The count depends on the operations alone, not on an allocator, so it is the same at
    every repetition. A storage that is seen first as an operation's input was there
    before and is not counted, nor is what a kernel uses for itself while it runs.

    Args:
        device: Type of the device whose storages are counted, ``'cpu'`` or ``'cuda'``.

    Attributes:
        live: Bytes that are alive now.
        timeline: Name of the operation and bytes alive after it, for each operation
            since the last :meth:`start` that made a storage; at first what was alive
            then. The most bytes are the peak.
    """

    def __init__(self, device: str = 'cpu') -> None:
        super().__init__()
        self.device = device
        self.live = 0
        self.timeline = [('', 0)]
        self._known: set[StorageWeakRef] = set()

    @property
    def peak(self) -> int:
        """Most bytes that were alive at once since the last :meth:`start`."""
        return max(size for _, size in self.timeline)

    def start(self) -> None:
        """Begin a new timeline; what is alive stays counted."""
        self.timeline = [('', self.live)]

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        # torch.tensor(...) makes its tensor unseen and hands it to this operation
        if func is not torch.ops.aten.lift_fresh.default:
            self._known.update(map(StorageWeakRef, self._storages((args, kwargs))))
        output = func(*args, **(kwargs or {}))
        before = self.live
        for storage in self._storages(output):
            key = StorageWeakRef(storage)
            if key not in self._known:
                self._known.add(key)
                self.live += storage.nbytes()
                end = weakref.finalize(storage, self._end, key, storage.nbytes())
                end.atexit = False
        if self.live > before:
            self.timeline.append((str(func), self.live))
        return output

    def _storages(self, values) -> list[torch.UntypedStorage]:
        return [
            value.untyped_storage()
            for value in tree_leaves(values)
            if isinstance(value, Tensor) and value.device.type == self.device
        ]

    def _end(self, key: StorageWeakRef, size: int) -> None:
        self.live -= size
        self._known.discard(key)
