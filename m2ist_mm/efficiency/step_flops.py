"""Operations of a training step."""

import torch
from torch.utils.flop_counter import (
    FlopCounterMode,
    sdpa_backward_flop_count,
    sdpa_flop_count,
)

from .training_step import TrainingStep

# torch's counter knows the fused attention of GPUs alone
_CPU_ATTENTION = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: (
        lambda query, key, value, *args, **kwargs: sdpa_flop_count(query, key, value)
    ),
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: (
        lambda grad, query, key, value, *args, **kwargs: sdpa_backward_flop_count(
            grad, query, key, value
        )
    ),
}


def step_flops(step: TrainingStep, batch: dict) -> dict[str, int]:
    """Count floating-point operations of matrix products and convolutions.

    A multiplication with its addition is two. The batch's texts are in the cache
    already, where the model has one.

    Args:
        step: The training step.
        batch: A batch of its inputs.

    Returns:
        ``forward`` and ``backward`` (with what is recomputed there), of the batch.
    """
    step.train(batch)
    forward = _count(lambda: step.loss(batch))
    return dict(forward=forward, backward=_count(lambda: step.train(batch)) - forward)


def _count(run) -> int:
    counter = FlopCounterMode(display=False, custom_mapping=_CPU_ATTENTION)
    with counter:
        run()
    return counter.get_total_flops()
