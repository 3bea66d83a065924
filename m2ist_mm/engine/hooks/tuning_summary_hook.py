"""One line that says what is tuned."""

from mmdet.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import nn
from torch.distributed.fsdp import FullyShardedDataParallel

from ...checkpoints.tuned_state import unwrap
from ...models import parameter_counts


@HOOKS.register_module()
class TuningSummaryHook(Hook):
    """Logs the sizes of towers, side adapters and head when a training starts."""

    def before_train(self, runner: Runner) -> None:
        """Log the line; models without towers, or in shards, get none."""
        if isinstance(runner.model, FullyShardedDataParallel):
            return  # a process knows the sizes of its shards alone
        model = unwrap(runner.model)
        if hasattr(getattr(model, 'backbone', None), 'frozen_state_keys'):
            runner.logger.info(tuning_summary(model))


def tuning_summary(model: nn.Module) -> str:
    """Parameters of towers, side adapters and head, and how many of all are trained."""
    counts = parameter_counts(model)
    state = 'frozen' if model.backbone.freeze else 'tuned'
    if model.backbone.freeze and counts['tuned_tower_params']:
        state += f' but for {counts["tuned_tower_params"]:,}'
    return (
        f'towers {counts["tower_params"]:,} ({state}), side adapters '
        f'{counts["adapter_params"]:,} ({counts["adapter_ratio"]:.2%}), head '
        f'{counts["head_params"]:,}, trained {counts["trained_params"]:,} of '
        f'{counts["total_params"]:,}'
    )
