"""What autograd keeps for backward, and who keeps it."""

import re
from collections import Counter
from contextlib import ExitStack

from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.multiprocessing.reductions import StorageWeakRef

# pattern of module names: part of the model, of which the first that fits counts
_PARTS = (
    (r'backbone\.vision\b', 'vision tower'),
    (r'backbone\.language\b', 'language tower'),
    (r'neck\b', 'side networks'),
    (r'bbox_head\.(?:vision|language)_proj\b', 'projections'),
    (r'bbox_head\.encoder\.layers\.(\d+)', 'V-L encoder layer {}'),
    (r'bbox_head\b', 'head'),
)


class SavedActivations:
    """Context that adds up the tensors that autograd saves, by module.

    A tensor counts for the innermost module whose forward runs when it is saved. Each
    storage counts once and as a whole, for the first that saves it; parameters and
    buffers do not count. Of a module that is recomputed in backward only what is kept
    until then counts.

    Args:
        model: The module that runs inside the context.

    Attributes:
        by_module: Name of a module (``''`` outside of all) to bytes.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.by_module: Counter[str] = Counter()
        self._running: list[str] = []
        self._seen: set[StorageWeakRef] = set()
        self._stack = ExitStack()

    def __enter__(self) -> 'SavedActivations':
        for tensor in (*self.model.parameters(), *self.model.buffers()):
            self._seen.add(StorageWeakRef(tensor.untyped_storage()))
        for name, module in self.model.named_modules():
            for handle in (
                module.register_forward_pre_hook(
                    lambda module, inputs, name=name: self._running.append(name)
                ),
                module.register_forward_hook(
                    lambda module, inputs, output: self._leave(), always_call=True
                ),
            ):
                self._stack.callback(handle.remove)
        self._stack.enter_context(saved_tensors_hooks(self._save, lambda saved: saved))
        return self

    def __exit__(self, *error) -> None:
        self._stack.close()
        self._seen.clear()

    @property
    def total(self) -> int:
        """Bytes of all modules."""
        return sum(self.by_module.values())

    def by_part(self) -> dict[str, int]:
        """Bytes by part of a grounder, in the order in which they saved first."""
        parts: Counter[str] = Counter()
        for name, size in self.by_module.items():
            parts[part_of(name)] += size
        return dict(parts)

    def _leave(self) -> None:
        self._running.pop()

    def _save(self, tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        key = StorageWeakRef(storage)
        if key not in self._seen:
            self._seen.add(key)
            name = self._running[-1] if self._running else ''
            self.by_module[name] += storage.nbytes()
        return tensor


def part_of(name: str) -> str:
    """Part of a grounder that a module name belongs to; layers count from 1."""
    for pattern, part in _PARTS:
        if match := re.match(pattern, name):
            return part.format(*(int(number) + 1 for number in match.groups()))
    return 'rest'
