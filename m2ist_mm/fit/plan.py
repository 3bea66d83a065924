"""What a training will cost, before anything is spent on it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from functools import partial
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

# images of the batches whose bytes are counted; larger ones lie on a line with them
SIZES = (2, 3)
TIMED_STEPS = 3
# of all memory: rounded up, or in pieces too small to be used, of which the C library's
# allocator leaves more than the GPU's
WASTE = dict(cuda=0.25, cpu=1.0)


@dataclass(frozen=True)
class Need:
    """Bytes of a training step.

    Attributes:
        runtime: Of the program itself, before it builds a model.
        peak: Counted bytes of the step: parameters, optimiser, activations, gradients.
        waste: What allocators waste, as a share of both.
    """

    runtime: int
    peak: int
    waste: float

    @property
    def total(self) -> int:
        """Bytes that the training needs, with those that allocators waste."""
        return round((1 + self.waste) * (self.runtime + self.peak))


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


@dataclass(frozen=True)
class Plan:
    """What a training will cost.

    Attributes:
        preset: Name of the preset, or the config file.
        why: Why one takes it.
        towers: The weights of the vision and the language tower.
        start: What the model starts from.
        start_is_whole: Whether that is a checkpoint of this very model, which can be
            tested and averaged with what is trained.
        device: ``'cuda'`` or ``'cpu'``.
        trained: Number of trained parameters.
        parameters: Number of all parameters.
        memory: Bytes that the training may use.
        need: Bytes that it needs.
        batch_size: Samples of a step.
        expressions: Expressions of a step in the mean.
        wanted: Expressions of a step that the recipe wants.
        micro_batch_size: Samples that go through the model together.
        max_expressions: Most expressions of a sample.
        mixed_precision: Whether the training computes in 16 bits.
        lowmem: Whether the V-L encoder is computed again in backward.
        cache_bytes: Bytes of the cached features by tower.
        disk: Bytes that are free where the caches go.
        images: Number of training images.
        epochs: Number of epochs.
        steps: Steps of an epoch.
        seconds: ``step``, ``epoch`` (with its validation), ``encoding`` of the caches,
            ``training``, ``judging`` (all tests, and trainings for the report) and
            ``total``.
    """

    preset: str
    why: str
    towers: tuple[str, str]
    start: str
    start_is_whole: bool
    device: str
    trained: int
    parameters: int
    memory: int
    need: Need
    batch_size: int
    expressions: float
    wanted: int
    micro_batch_size: int
    max_expressions: int
    mixed_precision: bool
    lowmem: bool
    cache_bytes: dict[str, int]
    disk: int
    images: int
    epochs: int
    steps: int
    seconds: dict[str, float]

    @classmethod
    def from_dict(cls, content: dict) -> 'Plan':
        """Read what ``dataclasses.asdict`` made of a plan; other keys are passed over.

        Raises:
            KeyError: Something is missing.
        """
        values = {one.name: content[one.name] for one in fields(cls)}
        return cls(**{**values, 'need': Need(**content['need'])})

    def lines(self) -> list[str]:
        """Describe the plan, one line each."""
        need, seconds = self.need, self.seconds
        batch = (
            f'{self.batch_size} samples, each an image with up to '
            f'{self.max_expressions} sentences: {self.expressions:.0f} sentences a '
            f'step on average (the recipe has {self.wanted})'
        )
        if self.micro_batch_size < self.batch_size:
            batch += (
                f'; {self.micro_batch_size} samples at a time, with the gradient of all'
            )
        precision = '16-bit (bfloat16 or float16)' if self.mixed_precision else '32-bit'
        if self.lowmem:
            precision += '; the V-L encoder is computed again in backward'
        caches = ', '.join(
            f'{format_bytes(size)} ({name})' for name, size in self.cache_bytes.items()
        )
        return [
            f'model: {self.preset} ({self.why}): {" and ".join(self.towers)}',
            f'start: {self.start}',
            f'trained: {self.trained:,} of {self.parameters:,} parameters',
            f'memory: {format_bytes(need.total)} of {format_bytes(self.memory)} on '
            f'{"the GPU" if self.device == "cuda" else "the CPU"}: '
            f'{format_bytes(need.peak)} counted for a step, '
            f'{format_bytes(need.runtime)} for the program itself, and '
            f'{need.waste:.0%} more in reserve',
            f'batch: {batch}',
            f'precision: {precision}',
            f'disk: {caches or "nothing"} for cached features; '
            f'{format_bytes(self.disk)} are free',
            f'schedule: {self.images} images, {self.epochs} epochs of {self.steps} '
            f'steps, {seconds["step"]:.2f} s a step',
            f'time: {_minutes(seconds["epoch"])} an epoch, '
            f'{_minutes(seconds["training"])} for the training, '
            f'{_minutes(seconds["judging"])} for tests and report, '
            f'{_minutes(seconds["total"])} in all, if the machine is as busy '
            'as when it was timed',
        ]


def _minutes(seconds: float) -> str:
    minutes = seconds / 60
    return f'{minutes:.1f} min' if minutes < 90 else f'{minutes / 60:.1f} hours'


def fit_memory(
    settings: Settings,
    load: Callable[[Settings], Config],
    memory: int,
    runtime: int,
    device: str,
    otherwise: str = '',
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
        otherwise: What else would help, for the message.

    Raises:
        ValueError: Nothing fits; says how much memory would.
    """
    smallest = None
    for candidate in _candidates(settings):
        config = load(candidate)
        low, high = _measure(config, candidate.max_expressions, device)
        for size in _sizes(candidate.batch_size):
            need = Need(runtime, _peak(low, high, size), WASTE[device])
            if need.total <= memory:
                divided = size < candidate.batch_size
                return replace(
                    candidate, micro_batch_size=size if divided else None
                ), need
        smallest = need
    raise ValueError(
        f'the training does not fit {format_bytes(memory)}: with every saving it needs '
        f'{format_bytes(smallest.total)}, of which {format_bytes(smallest.runtime)} '
        f'are the program itself; free some, and give --memory '
        f'{smallest.total / 1e9:.2f}GB{otherwise}'
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
        ``step`` is of these samples. The shortest times count: others were disturbed.
    """
    step = TrainingStep(config, device)
    batch = step.inputs.batch(images, expressions)
    step.train(batch)  # fills the caches
    training = [_seconds(clock, step, step.train, batch) for _ in range(TIMED_STEPS)]
    predicting = [
        _seconds(
            clock, step, step.predict, step.inputs.batch(images, expressions, seed)
        )
        for seed in range(1, 1 + TIMED_STEPS)
    ]
    loading = []
    for index in range(0, len(dataset), -(-len(dataset) // 8)):
        begin = clock()
        dataset[index]
        loading.append(clock() - begin)
    return Seconds(
        step=min(training),
        loading=sum(loading) / len(loading),
        predicting=min(predicting) / images,
    )


def _seconds(clock, step: TrainingStep, run: Callable, batch: dict) -> float:
    begin = clock()
    run(batch)
    step.synchronize()
    return clock() - begin
