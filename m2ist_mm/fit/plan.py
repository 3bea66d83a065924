"""What a training will cost, before anything is spent on it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from statistics import median
from time import perf_counter

import torch
from mmengine.config import Config
from torch.utils.data import Dataset

from ..efficiency import (
    AllocationTracker,
    MeasuredStep,
    TrainingStep,
    extrapolate,
    extrapolate_step,
    measure_step,
)
from .fit_config import Settings
from .memory import format_bytes

# images of the batches whose bytes are counted; larger ones lie on the line through them
SIZES = (2, 3)
TIMED_STEPS = 3


@dataclass(frozen=True)
class Need:
    """Bytes of a training step.

    Attributes:
        runtime: Of the program itself, before it builds a model.
        peak: Counted bytes of the step: parameters, optimiser, activations, gradients.
    """

    runtime: int
    peak: int

    @property
    def total(self) -> int:
        """Bytes that the training needs."""
        return self.runtime + self.peak


@dataclass(frozen=True)
class Seconds:
    """Seconds of a training's parts, from a few timed steps.

    Attributes:
        step: Of a step of the optimiser on the whole batch.
        loading: Of one sample in the data pipeline.
        predicting: Of one image with its expressions, towers included.
    """

    step: float
    loading: float
    predicting: float


def fit_memory(
    settings: Settings,
    load: Callable[[Settings], Config],
    memory: int,
    runtime: int,
    device: str,
) -> tuple[Settings, Need]:
    """Choose what makes a training step fit the memory, with the same gradient.

    In this order: the whole batch at once; micro-batches; the V-L encoder computed
    again in backward; fewer expressions in a sample. Samples are counted with the most
    expressions that they may have.

    Args:
        settings: What is wanted.
        load: Reads the config of settings.
        memory: Bytes that there are.
        runtime: Bytes of the program itself.
        device: ``'cuda'`` or ``'cpu'``.

    Raises:
        ValueError: Nothing fits; says how much memory would.
    """
    smallest = None
    for candidate in _candidates(settings):
        config = load(candidate)
        low, high = _measure(config, candidate.max_expressions, device)
        for size in _sizes(candidate.batch_size):
            need = Need(runtime, _peak(low, high, size))
            if need.total <= memory:
                divided = size < candidate.batch_size
                return replace(
                    candidate, micro_batch_size=size if divided else None
                ), need
        smallest = need
    raise ValueError(
        f'the training does not fit {format_bytes(memory)}: with every saving it needs '
        f'{format_bytes(smallest.total)}, of which {format_bytes(smallest.runtime)} '
        f'are the program itself; give --memory {smallest.total / 1e9:.2f}GB if there '
        'is as much, or take --preset small'
    )


def _candidates(settings: Settings) -> Iterator[Settings]:
    yield settings
    settings = replace(settings, lowmem=True)
    yield settings
    while settings.max_expressions > 1:
        fewer = settings.max_expressions // 2
        # as many expressions in a step as before
        batch = round(settings.batch_size * settings.max_expressions / fewer)
        settings = replace(settings, max_expressions=fewer, batch_size=batch)
        yield settings


def _sizes(batch_size: int) -> Iterator[int]:
    """The batch size, its half, ... down to a single sample."""
    while batch_size > 1:
        yield batch_size
        batch_size = -(-batch_size // 2)
    yield 1


def _measure(
    config: Config, expressions: int, device: str
) -> tuple[MeasuredStep, MeasuredStep]:
    build = partial(TrainingStep, config, device)
    low, high = (measure_step(build, size, expressions) for size in SIZES)
    return low, high


def _peak(low: MeasuredStep, high: MeasuredStep, size: int) -> int:
    """Counted peak of a batch; a single sample is counted as two, to be safe."""
    return extrapolate_step(low, high, max(size, low.images)).peak


def fit_cache_batch(
    settings: Settings, config: Config, memory: int, runtime: int, device: str
) -> Settings:
    """Choose how many inputs are encoded together for the caches.

    Args:
        settings: What is wanted.
        config: Its config.
        memory, runtime, device: See :func:`fit_memory`.
    """
    step = TrainingStep(config, device)
    parameters = sum(
        tensor.nbytes for tensor in (*step.model.parameters(), *step.model.buffers())
    )
    peaks = []
    for size in SIZES:
        data = step.model.data_preprocessor(step.inputs.batch(size, 1))['inputs']
        towers = step.model.backbone
        tracker = AllocationTracker(step.device.type)
        with torch.no_grad(), tracker:
            towers.vision.run(data['images'], data['padding_mask'])
        peaks.append(tracker.peak)
    size = settings.cache_batch_size
    while size > 1 and runtime + parameters + extrapolate(SIZES, peaks, size) > memory:
        size //= 2
    return replace(settings, cache_batch_size=size)


def time_parts(
    config: Config,
    dataset: Dataset,
    expressions: int,
    images: int,
    device: str,
    clock: Callable[[], float] = perf_counter,
) -> Seconds:
    """Time a few steps with random towers, and the loading of a few samples.

    Args:
        config: The training's config.
        dataset: Its training dataset.
        expressions: Mean number of expressions of a sample.
        images: Samples that go through the model together.
        device: ``'cuda'`` or ``'cpu'``.
        clock: Gives seconds.

    Returns:
        ``step`` is of these samples.
    """
    step = TrainingStep(config, device)
    batch = step.inputs.batch(images, expressions)
    step.train(batch)  # fills the caches
    training = [_seconds(clock, step, step.train, batch) for _ in range(TIMED_STEPS)]
    predicting = [
        _seconds(clock, step, step.predict, step.inputs.batch(images, expressions, seed))
        for seed in range(1, 1 + TIMED_STEPS)
    ]
    loading = []
    for index in range(0, len(dataset), -(-len(dataset) // 8)):
        begin = clock()
        dataset[index]
        loading.append(clock() - begin)
    return Seconds(
        step=median(training),
        loading=sum(loading) / len(loading),
        predicting=median(predicting) / images,
    )


def _seconds(clock, step: TrainingStep, run: Callable, batch: dict) -> float:
    begin = clock()
    run(batch)
    step.synchronize()
    return clock() - begin
