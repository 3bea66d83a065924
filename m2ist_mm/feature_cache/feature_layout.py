"""How the features of one input are packed into two tensors."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ..structures import TowerFeatures


class PackedFeatures(NamedTuple):
    """Features of one input.

    Attributes:
        rows: (n, ΣC), a row per token: output, input and tapped tokens side by side.
        mask: (n,) bool, true = padding.
        maps: (ΣC·h·w,), the tapped maps one after the other.
    """

    rows: Tensor
    mask: Tensor
    maps: Tensor


@dataclass(frozen=True)
class FeatureLayout:
    """Layout of :class:`PackedFeatures`; equal for inputs of equal size.

    Attributes:
        names: ``'tokens'``, ``'inputs'`` if the tower has them, and
            ``'KIND/NUMBER'`` of each tap.
        shapes: For each name (C,), a row per token, or (C, h, w), a map.
        grid: Rows and columns of an image's tokens; ``None`` for text.
    """

    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    grid: tuple[int, int] | None

    @classmethod
    def of(cls, features: TowerFeatures) -> 'FeatureLayout':
        """Layout for features of a batch."""
        parts = _parts(features)
        shapes = tuple(
            tuple(part.shape[2:] if part.dim() == 3 else part.shape[1:])
            for part in parts.values()
        )
        return cls(tuple(parts), shapes, features.grid and tuple(features.grid))

    @classmethod
    def from_json(cls, text: str) -> 'FeatureLayout':
        """Read what :meth:`to_json` wrote."""
        names, shapes, grid = json.loads(text)
        return cls(tuple(names), tuple(map(tuple, shapes)), grid and tuple(grid))

    def to_json(self) -> str:
        """Write the layout as text."""
        return json.dumps([self.names, self.shapes, self.grid])

    def num_values(self, num_inputs: int, num_tokens: int) -> int:
        """Number of values of inputs with this total number of tokens."""
        return num_tokens * sum(self._widths) + num_inputs * sum(self._map_sizes)

    def pack(
        self, features: TowerFeatures, lengths: Sequence[int], dtype: torch.dtype
    ) -> list[PackedFeatures]:
        """Take a batch apart.

        Args:
            features: Those of B inputs.
            lengths: How many tokens of each are kept.
            dtype: Type in which they are kept.

        Raises:
            ValueError: ``dtype`` cannot hold a value.
        """
        parts = _parts(features).values()
        rows = torch.cat([part for part in parts if part.dim() == 3], dim=2)
        maps = [part.flatten(1) for part in parts if part.dim() == 4]
        maps = torch.cat(maps, dim=1) if maps else rows.new_zeros(len(rows), 0)
        # a slice would keep the whole batch alive
        packed = [
            PackedFeatures(
                row[:length].to(dtype, copy=True),
                mask[:length].clone(),
                one.to(dtype, copy=True),
            )
            for row, mask, one, length in zip(
                rows, features.mask, maps, lengths, strict=True
            )
        ]
        most = max(
            (part.abs().max().item() for part in (rows, maps) if part.numel()),
            default=0.0,
        )
        if math.isfinite(most) and most > torch.finfo(dtype).max:
            raise ValueError(
                f"a feature of {most:.0f} is more than the cache's dtype holds "
                f"({torch.finfo(dtype).max:.0f}): take dtype='float32'"
            )
        return packed

    def unpack(
        self, packed: Sequence[PackedFeatures], num_tokens: int
    ) -> TowerFeatures:
        """Put a batch together.

        Args:
            packed: Features of B inputs, all on one device.
            num_tokens: Number N of tokens of the batch; shorter inputs are padded on
                the right, with zeros.

        Returns:
            Features of the batch, float32.
        """
        first, shape = packed[0].rows, (len(packed), num_tokens)
        rows = first.new_zeros(*shape, first.shape[1])
        # filled, not stacked: autocast refuses to stack float16 on a CPU
        maps = first.new_empty(len(packed), *packed[0].maps.shape)
        mask = torch.ones(shape, dtype=torch.bool, device=first.device)
        for place, one in enumerate(packed):
            rows[place, : len(one.rows)] = one.rows
            mask[place, : len(one.mask)] = one.mask
            maps[place] = one.maps
        by_row = iter(rows.split(self._widths, dim=2))
        by_map = iter(maps.split(self._map_sizes, dim=1) if self._map_sizes else ())
        parts = {}
        for name, shape in zip(self.names, self.shapes, strict=True):
            part = next(by_row) if len(shape) == 1 else next(by_map)
            if len(shape) == 3:
                part = part.unflatten(1, shape)
            # in memory as a tower's own output, and nobody else's
            parts[name] = part.to(
                torch.float32, copy=True, memory_format=torch.contiguous_format
            )
        taps = {}
        for name in self.names:
            kind, slash, _ = name.rpartition('/')
            if slash:
                taps.setdefault(kind, []).append(parts[name])
        return TowerFeatures(
            parts['tokens'], mask, parts.get('inputs'), self.grid, taps
        )

    @property
    def _widths(self) -> list[int]:
        return [shape[0] for shape in self.shapes if len(shape) == 1]

    @property
    def _map_sizes(self) -> list[int]:
        return [math.prod(shape) for shape in self.shapes if len(shape) == 3]


def _parts(features: TowerFeatures) -> dict[str, Tensor]:
    """All that has values, by name."""
    parts = dict(tokens=features.tokens)
    if features.inputs is not None:
        parts['inputs'] = features.inputs
    return parts | {
        f'{kind}/{number}': tap
        for kind, layers in features.taps.items()
        for number, tap in enumerate(layers)
    }
