"""Logs in one line what is trainable."""

from mmdet.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import nn
from torch.distributed.fsdp import FullyShardedDataParallel

from ...checkpoints.tuned_state import unwrap
from ...models import parameter_counts
from ...models.towers import FrozenPart


@HOOKS.register_module()
class TuningSummaryHook(Hook):
    """Logs the sizes of towers, side adapters and head when a training starts."""

    def before_train(self, runner: Runner) -> None:
        """Log the line; models without towers, or in shards, get none."""
        if isinstance(runner.model, FullyShardedDataParallel):
            return  # a process knows the sizes of its shards alone
        model = unwrap(runner.model)
        if any(isinstance(module, FrozenPart) for module in model.modules()):
            runner.logger.info(tuning_summary(model))


def tuning_summary(model: nn.Module) -> str:
    """Parameters of towers, side adapters and head, and how many of all are trained."""
    counts = parameter_counts(model)
    parts = [module for module in model.modules() if isinstance(module, FrozenPart)]
    frozen = all(part.frozen for part in parts)
    state = 'frozen' if frozen else 'tuned'
    if frozen and counts['tuned_tower_params']:
        state += f' but for {counts["tuned_tower_params"]:,}'
    return (
        f'towers {counts["tower_params"]:,} ({state}), side adapters '
        f'{counts["adapter_params"]:,} ({counts["adapter_ratio"]:.2%}), head '
        f'{counts["head_params"]:,}, trained {counts["trained_params"]:,} of '
        f'{counts["total_params"]:,}'
    )
