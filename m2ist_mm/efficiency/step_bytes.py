"""Bytes of a training step, by what they are for."""

import gc
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef

from .allocation_tracker import AllocationTracker
from .saved_activations import SavedActivations
from .training_step import TrainingStep


@dataclass(frozen=True)
class StepBytes:
    """Bytes of one training step, the first one apart, which makes what stays.

    Attributes:
        parameters: Of all parameters and buffers.
        gradients: Of the parameters that the optimiser updates.
        optimizer: Of the optimiser's state.
        kept: Of what else outlives a step: the cached features of the batch's texts.
        saved: Activations kept for backward, by part of the model.
        peak: Most bytes at any moment, parameters included.
    """

    parameters: int
    gradients: int
    optimizer: int
    kept: int
    saved: dict[str, int]
    peak: int

    @property
    def total_saved(self) -> int:
        """Saved activations of all parts."""
        return sum(self.saved.values())

    @property
    def transient(self) -> int:
        """The peak without what is there between steps."""
        return self.peak - self.parameters - self.optimizer - self.kept


@dataclass(frozen=True)
class MeasuredStep:
    """What was measured at one batch size.

    Attributes:
        images: The batch size.
        bytes: The bytes.
        timeline: The step's allocations, see :class:`AllocationTracker`; parameters
            and buffers are not in it.
    """

    images: int
    bytes: StepBytes
    timeline: list[tuple[str, int]]


def measure_step(
    build: Callable[[], TrainingStep], images: int, expressions_per_image: int
) -> MeasuredStep:
    """Measure a training step on real tensors.

    Args:
        build: Builds a new training step, without state of another batch size.
        images: Number of images.
        expressions_per_image: Number of expressions of each image.
    """
    step = build()
    batch = step.inputs.batch(images, expressions_per_image)
    tracker = AllocationTracker(step.device.type)
    # collections at a time of Python's choosing would change the timeline
    gc.disable()
    try:
        with tracker:
            step.train(batch)
            gc.collect(0)
            tracker.start()
            between = tracker.live
            step.train(batch)
            timeline, peak = tracker.timeline, tracker.peak
    finally:
        gc.enable()
    with SavedActivations(step.model) as saved:
        step.train(batch)
    optimizer = step.optim_wrapper.optimizer
    parameters = _bytes([*step.model.parameters(), *step.model.buffers()])
    state = _bytes(
        [
            value
            for values in optimizer.state.values()
            for value in values.values()
            if isinstance(value, Tensor) and value.device.type == step.device.type
        ]
    )
    figures = StepBytes(
        parameters=parameters,
        gradients=_bytes(list(optimizer.state)),
        optimizer=state,
        kept=between - state,
        saved=saved.by_part(),
        peak=parameters + peak,
    )
    return MeasuredStep(images, figures, timeline)


def cuda_peak(
    build: Callable[[], TrainingStep], images: int, expressions_per_image: int
) -> int | None:
    """Measure the peak that a GPU's allocator sees in a step.

    Returns:
        Bytes, or ``None`` where the step does not fit the GPU.
    """
    step = build()
    batch = step.inputs.batch(images, expressions_per_image)
    try:
        step.train(batch)
        step.synchronize()
        torch.cuda.reset_peak_memory_stats(step.device)
        step.train(batch)
        step.synchronize()
    except torch.cuda.OutOfMemoryError:
        return None
    return torch.cuda.max_memory_allocated(step.device)


def _bytes(tensors: list[Tensor]) -> int:
    """Bytes of tensors; what two share counts once."""
    sizes = {
        StorageWeakRef(storage): storage.nbytes()
        for storage in (tensor.untyped_storage() for tensor in tensors)
    }
    return sum(sizes.values())
