"""Features of a frozen language tower, computed once per distinct expression."""

from collections import OrderedDict
from collections.abc import Callable

import torch
from torch import Tensor

from ..towers import TowerFeatures


class FeatureCache:
    """Least-recently-used store of language features in memory.

    Expressions that are not there yet are encoded together, once, in the tower's own
    precision: what is stored depends on the expression alone and not on the batch that
    it first came in, nor on autocast, but for rounding, which may differ with the shape
    of what is encoded together. Under DDP each rank has its own.

    Args:
        capacity: Number of distinct expressions that are kept.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._taps_of_kind: dict[str, int] = {}
        self._store: OrderedDict[tuple[int, ...], Tensor] = OrderedDict()

    def __len__(self) -> int:
        return len(self._store)

    def clear(self) -> None:
        """Forget all features, as when the tower's weights have changed."""
        self._store.clear()

    def lookup(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        encode: Callable[[Tensor, Tensor], TowerFeatures],
    ) -> TowerFeatures:
        """Features of a batch of expressions, encoding only those that are new.

        Args:
            input_ids: (B, L) int64.
            attention_mask: (B, L) int64, 1 = token; padding is on the right.
            encode: The tower: (input ids, attention mask) to features.

        Returns:
            Features as ``encode`` gives them for the batch, zero in the padding.
        """
        lengths = attention_mask.sum(1).tolist()
        keys = [
            tuple(ids[:length])
            for ids, length in zip(input_ids.tolist(), lengths, strict=True)
        ]
        stacks = {key: self._store[key] for key in keys if key in self._store}
        new = sorted({key for key in keys if key not in stacks})
        if new:
            longest = max(map(len, new))
            ids = input_ids.new_tensor(
                [key + (0,) * (longest - len(key)) for key in new]
            )
            mask = attention_mask.new_tensor(
                [[1] * len(key) + [0] * (longest - len(key)) for key in new]
            )
            with torch.autocast(ids.device.type, enabled=False):
                features = encode(ids, mask)
            self._taps_of_kind = {
                kind: len(taps) for kind, taps in features.taps.items()
            }
            stacked = torch.stack(
                [features.tokens, features.input_tokens]
                + [tap for taps in features.taps.values() for tap in taps],
                dim=1,
            )
            for key, stack in zip(new, stacked, strict=True):
                # a slice would keep the whole group alive
                stacks[key] = stack[:, : len(key)].clone()
        self._remember(stacks)
        first = stacks[keys[0]]
        batch = first.new_zeros(
            len(keys), len(first), input_ids.shape[1], first.shape[-1]
        )
        for row, key in zip(batch, keys, strict=True):
            row[:, : len(key)] = stacks[key]
        tokens, input_tokens, *tapped = batch.unbind(1)
        taps = {}
        for kind, count in self._taps_of_kind.items():
            taps[kind], tapped = tapped[:count], tapped[count:]
        return TowerFeatures(tokens, attention_mask == 0, input_tokens, taps)

    def _remember(self, stacks: dict[tuple[int, ...], Tensor]) -> None:
        for key, stack in stacks.items():
            self._store[key] = stack
            self._store.move_to_end(key)
        while len(self._store) > self.capacity:
            self._store.popitem(last=False)
