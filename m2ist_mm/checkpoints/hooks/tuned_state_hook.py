"""Loading of checkpoints that hold tuned weights alone."""

from functools import partial
from typing import Any

from mmdet.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.optim import BaseOptimWrapper
from mmengine.runner import Runner
from torch.distributed.fsdp import FullyShardedDataParallel

from ..resumable_checkpoint import (
    ResumableCheckpoint,
    name_of,
    newest_checkpoint,
)
from ..resume_settings import refuse_changed_settings, warn_of_other_changes
from ..resume_state import check_resume_state, use_own_settings
from ..safe_loading import safe_loading
from ..state_checks import find_misfits, tell_misfits
from ..tuned_state import fit_checkpoint, frozen_state_keys, unwrap
from .gathered_state import gathered_state


@HOOKS.register_module()
class TunedStateHook(Hook):
    """Checks a loaded checkpoint and adds the model's frozen towers to it.

    The counterpart of ``TunedCheckpointHook``. It is a separate hook because it must
    run before ``EMAHook`` reads the checkpoint, and ``TunedCheckpointHook`` after
    ``EMAHook`` wrote to it. It works the same in training, resuming and testing.

    Args:
        resume_settings: ``None`` refuses to resume if settings of optimiser or schedule
            differ between config and checkpoint; ``'config'`` continues with those of
            the config.
    """

    priority = 'VERY_HIGH'

    def __init__(self, resume_settings: str | None = None) -> None:
        if resume_settings not in (None, 'config'):
            raise ValueError(
                f"TunedStateHook: resume_settings={resume_settings!r}, not 'config'; "
                "for the checkpoint's use tools/train.py --resume-settings checkpoint"
            )
        self.resume_settings = resume_settings

    def before_run(self, runner: Runner) -> None:
        """Make the runner load by this package's loader.

        Raises:
            FileNotFoundError: The newest checkpoint of the work dir is not there.
        """
        if runner._resume and runner._load_from is None:
            runner._load_from = newest_checkpoint(runner.work_dir)
        load = type(runner).load_checkpoint

        def load_checkpoint(*args, **kwargs) -> Any:
            with safe_loading():
                return load(runner, *args, **kwargs)

        runner.load_checkpoint = load_checkpoint

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Check and complete the checkpoint, in place.

        Args:
            runner: The runner that loads.
            checkpoint: What was read from the file.

        Raises:
            FileNotFoundError: A resume was asked for and the resume file is missing.
            ValueError: The checkpoint was made on other towers or with other settings,
                does not fit, or a training cannot resume from it.
        """
        if runner._resume:
            if 'meta' not in checkpoint:
                raise ValueError(
                    'the checkpoint holds weights alone, training cannot resume from '
                    'it; start a new one from them with --cfg-options load_from=FILE'
                )
            if not isinstance(checkpoint, ResumableCheckpoint):
                raise ValueError(
                    "a checkpoint is resumed by MMEngine's loader, which may run code "
                    'from it: resume by tools/train.py, or '
                    'with m2ist_mm.checkpoints.safe_loading():'
                )
            checkpoint.add_resume_state()
        trains = isinstance(runner.optim_wrapper, BaseOptimWrapper)
        model = unwrap(runner.model)
        with gathered_state(runner.model):
            fit_checkpoint(model, checkpoint, partial=trains and not runner._resume)
        if runner._resume and trains:
            own_settings = self.resume_settings == 'config'
            refuse_changed_settings(
                checkpoint, runner.cfg, optimizer_alone=own_settings
            )
            warn_of_other_changes(checkpoint, runner.cfg)
            check_resume_state(runner, checkpoint, own_settings)
            if own_settings:
                use_own_settings(runner, checkpoint)
        if runner._resume and isinstance(runner.model, FullyShardedDataParallel):
            runner.strategy.load_optim_state_dict = partial(
                _load_sharded_optimizer, runner
            )
        if 'ema_state_dict' in checkpoint:
            state, ema = checkpoint['state_dict'], checkpoint['ema_state_dict']
            for key in frozen_state_keys(model):
                ema.setdefault(f'module.{key}', state[key])
            if not runner._resume:
                return
            own = {f'module.{key}': value for key, value in state.items()}
            averaged = {k: v for k, v in ema.items() if k != 'steps'}
            if fault := tell_misfits(find_misfits(own, averaged)):
                raise ValueError(
                    f'{name_of(checkpoint)}: its averaged weights (ema_state_dict) do '
                    f'not fit the model: {fault}'
                )


def _load_sharded_optimizer(runner: Runner, state_dict: dict) -> None:
    """Load a whole optimiser state into the shards of FSDP.

    MMEngine 0.10's strategy hands FSDP its arguments in the order of torch 2.0.
    """
    runner.optim_wrapper.load_state_dict(
        FullyShardedDataParallel.optim_state_dict_to_load(
            model=runner.model,
            optim=runner.optim_wrapper.optimizer,
            optim_state_dict=state_dict,
        )
    )
