"""Stops a training at the first loss that is not finite."""

import math

import torch
from mmdet.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import Runner


@HOOKS.register_module()
class FiniteLossHook(Hook):
    """Stops a training whose loss is NaN or infinite, before anything is saved.

    ``TunedCheckpointHook`` refuses weights that are not finite besides, as they can be
    with a finite loss.
    """

    priority = 'VERY_HIGH'

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: dict | None = None,
    ) -> None:
        """Look at the loss of an iteration.

        Raises:
            ValueError: It is not finite; names iteration, images and the last
                checkpoint.
        """
        loss = torch.as_tensor((outputs or {}).get('loss', 0.0)).item()
        if math.isfinite(loss):
            return
        samples = data_batch.get('data_samples', []) if data_batch else []
        images = [str(getattr(sample, 'img_path', None)) for sample in samples]
        saved = runner.message_hub.runtime_info.get('last_ckpt')
        raise ValueError(
            f'the loss is {loss} in iteration {runner.iter + 1} (epoch '
            f'{runner.epoch + 1}), with the images {", ".join(images) or "unknown"}; '
            + (
                f'the last good checkpoint is {saved}'
                if saved
                else 'no checkpoint was saved before'
            )
            + '. Look at these images, or lower optim_wrapper.optimizer.lr'
        )
