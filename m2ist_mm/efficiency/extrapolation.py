"""From small batches, measured, to a large one."""

from collections.abc import Sequence
from difflib import SequenceMatcher

from .step_bytes import MeasuredStep, StepBytes


def extrapolate(sizes: tuple[int, int], values: tuple[int, int], target: int) -> int:
    """Value at a batch size on the line through two measured ones.

    Args:
        sizes: The two batch sizes.
        values: What was measured at them.
        target: The batch size asked for.
    """
    (first, second), (low, high) = sizes, values
    return low + round((high - low) * (target - first) / (second - first))


def extrapolate_peak(
    sizes: tuple[int, int],
    timelines: tuple[Sequence[tuple[str, int]], Sequence[tuple[str, int]]],
    target: int,
) -> int:
    """Peak of a timeline at a batch size, from those of two batch sizes.

    The moment of the peak moves with the batch size: in a small batch it may be where
    all gradients are there, in a large one where all activations are. So the moments
    that both timelines have (by the operations before and after them) are extrapolated
    one by one, and the largest is taken. What a loop over images or chunks does more
    often in the larger batch has no such moment; the line through both peaks covers it.

    Args:
        sizes: The two batch sizes, ascending.
        timelines: What was allocated, see :class:`AllocationTracker`.
        target: The batch size asked for, not below the others.
    """
    low, high = timelines
    pairs = [(max(size for _, size in low), max(size for _, size in high))]
    # all operations are of a few dozen kinds, which is no reason to pass over them
    matcher = SequenceMatcher(
        None, [name for name, _ in low], [name for name, _ in high], autojunk=False
    )
    for block in matcher.get_matching_blocks():
        pairs += [
            (low[block.a + offset][1], high[block.b + offset][1])
            for offset in range(block.size)
        ]
    return max(extrapolate(sizes, pair, target) for pair in pairs)


def extrapolate_step(low: MeasuredStep, high: MeasuredStep, images: int) -> StepBytes:
    """Bytes of a step at another batch size, from two that were measured."""
    sizes = low.images, high.images

    def line(name: str) -> int:
        values = getattr(low.bytes, name), getattr(high.bytes, name)
        return extrapolate(sizes, values, images)

    return StepBytes(
        parameters=line('parameters'),
        gradients=line('gradients'),
        optimizer=line('optimizer'),
        kept=line('kept'),
        saved={
            part: extrapolate(
                sizes, (low.bytes.saved.get(part, 0), high.bytes.saved[part]), images
            )
            for part in high.bytes.saved
        },
        peak=line('parameters')
        + extrapolate_peak(sizes, (low.timeline, high.timeline), images),
    )
