"""Gradient accumulation inside an iteration."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch
from mmdet.registry import LOOPS
from mmdet.structures import DetDataSample
from mmengine.dist import all_reduce
from mmengine.optim import OptimWrapper
from mmengine.runner import EpochBasedTrainLoop
from torch import Tensor, nn

from ...structures import Expressions


@LOOPS.register_module()
class MicroBatchTrainLoop(EpochBasedTrainLoop):
    """Trains each batch in parts, with the gradient of the undivided batch.

    The data loader gives whole batches. Each is cut into micro-batches that go through
    the model one after the other; then the optimiser makes one step. A micro-batch
    weighs as many expressions as it has, in all processes together, so that losses are
    means over the expressions of the batch, however these are spread over images. Logs,
    schedules, validations and checkpoints count iterations as without micro-batches,
    and no checkpoint lies between two micro-batches.

    ``accumulative_counts`` of MMEngine's ``OptimWrapper`` weighs all batches alike, and
    loses what it has accumulated when a training is resumed.

    Args:
        micro_batch_size: Samples (images, where expressions are grouped) of a
            micro-batch in each process; the last one of a batch may have fewer.
        args, kwargs: See MMEngine's ``EpochBasedTrainLoop``.

    Raises:
        ValueError: ``micro_batch_size`` is no positive number.
    """

    def __init__(self, *args, micro_batch_size: int, **kwargs) -> None:
        if type(micro_batch_size) is not int or micro_batch_size < 1:
            raise ValueError(
                f'MicroBatchTrainLoop: micro_batch_size must be at least 1, got '
                f'{micro_batch_size!r}'
            )
        super().__init__(*args, **kwargs)
        self.micro_batch_size = micro_batch_size

    def run(self) -> nn.Module:
        """Train.

        Raises:
            ValueError: The optimiser's wrapper accumulates gradients too.
        """
        if self.runner.optim_wrapper._accumulative_counts > 1:
            raise ValueError(
                'optim_wrapper.accumulative_counts does not go with '
                'MicroBatchTrainLoop, which accumulates the gradients of a batch: '
                'leave it out'
            )
        return super().run()

    def run_iter(self, idx: int, data_batch: dict) -> None:
        """Train one batch.

        Args:
            idx: Number of the batch in the epoch.
            data_batch: Batch of the data loader: ``inputs`` and ``data_samples``.
        """
        self.runner.call_hook('before_train_iter', batch_idx=idx, data_batch=data_batch)
        parts = list(split_batch(data_batch, self.micro_batch_size))
        weights = micro_batch_weights([part['data_samples'] for part in parts])
        outputs: dict[str, Tensor] = {}
        for number, (part, weight) in enumerate(zip(parts, weights, strict=True)):
            wrapper = _Accumulation(
                self.runner.optim_wrapper, weight, last=number == len(parts) - 1
            )
            losses = self.runner.model.train_step(part, optim_wrapper=wrapper)
            for name, value in losses.items():
                outputs[name] = outputs.get(name, 0) + weight * value.detach()
        self.runner.call_hook(
            'after_train_iter', batch_idx=idx, data_batch=data_batch, outputs=outputs
        )
        self._iter += 1


def split_batch(batch: dict, size: int) -> Iterator[dict]:
    """Cut a batch of ``inputs`` and ``data_samples`` into parts of ``size`` samples."""
    for start in range(0, len(batch['data_samples']), size):
        yield {key: value[start : start + size] for key, value in batch.items()}


def micro_batch_weights(parts: list[list[DetDataSample]]) -> list[float]:
    """Share of each micro-batch in the expressions of the batch, of all processes.

    Args:
        parts: Samples of each micro-batch of this process; all processes have as many.
    """
    counts = torch.tensor(
        [float(sum(len(Expressions.of(one)) for one in part)) for part in parts]
    )
    all_reduce(counts)
    return (counts / counts.sum()).tolist()


class _Accumulation:
    """What ``train_step`` sees of the optimiser's wrapper during a micro-batch."""

    def __init__(self, wrapper: OptimWrapper, weight: float, last: bool) -> None:
        self.wrapper = wrapper
        self.weight = weight
        self.last = last

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """The wrapper's context; gradients are synchronised in the last one alone."""
        waits = not self.last and hasattr(model, 'no_sync')
        with model.no_sync() if waits else nullcontext():
            with self.wrapper.optim_context(model):
                yield

    def update_params(self, loss: Tensor) -> None:
        """Add the gradient of the micro-batch; step after the last."""
        self.wrapper.backward(loss * self.weight)
        if self.last:
            self.wrapper.step()
            self.wrapper.zero_grad()
