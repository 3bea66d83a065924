"""Saves tuned weights, and the state that a resume needs in a file beside them."""

import io
import os.path as osp
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from mmdet.registry import HOOKS
from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner
from torch.distributed.fsdp import FullyShardedDataParallel, StateDictType

from ...atomic_file import write_atomically
from .. import atomic_local_backend  # noqa: F401  (registers 'atomic_local')
from ..identity import tower_identity
from ..pending_validation import is_validation_pending, mark_validated
from ..resumable_checkpoint import RESUME_SUFFIX, resume_file, weights_crc32
from ..safe_loading import safe_loading
from ..state_checks import check_state
from ..tuned_state import frozen_state_keys, unwrap
from ..work_dir_lock import lock_work_dir
from .gathered_state import gathered_state


@HOOKS.register_module()
class TunedCheckpointHook(CheckpointHook):
    """Writes small checkpoints: the tuned weights and the identity of the towers.

    ``epoch_N.pth`` (``iter_N.pth``, ``best_*.pth``) holds ``state_dict`` without the
    frozen towers and ``meta`` with, besides MMEngine's entries, ``towers`` (name and
    sha256 of each tower's weights). Optimiser, schedulers and message hub are written
    to ``epoch_N.resume.pth`` beside it, of which only the newest is kept.
    ``TunedStateHook`` loads both. Files are written atomically, and an older checkpoint
    is removed only when the newer one is complete.

    Args:
        kwargs: Arguments of MMEngine's ``CheckpointHook``; ``out_dir`` must be local.
    """

    def __init__(self, **kwargs) -> None:
        super().__init__(**kwargs)
        if self.backend_args is not None or self.file_client_args is not None:
            raise ValueError(
                'TunedCheckpointHook writes to local folders: it takes no backend_args'
            )
        if self.args:
            raise ValueError(
                f'TunedCheckpointHook has no arguments {sorted(self.args)}'
            )
        self.backend_args = dict(backend='atomic_local')
        self._resume_file = None
        self._progress = {}
        self._lock = None

    def before_train(self, runner: Runner) -> None:
        """Lock the work dir and set up the output folder.

        Raises:
            BlockingIOError: Another training runs in the work dir.
            ValueError: ``out_dir`` is not a local folder, FSDP would save in shards, or
                no metric reports ``save_best``.
        """
        if '://' in str(self.out_dir or ''):
            raise ValueError(f'checkpoint out_dir {self.out_dir} is not a local folder')
        if isinstance(runner.model, FullyShardedDataParallel):
            form = FullyShardedDataParallel.get_state_dict_type(runner.model)
            if form.state_dict_type != StateDictType.FULL_STATE_DICT:
                raise ValueError(
                    'TunedCheckpointHook writes whole checkpoints and no shards: set '
                    "strategy.state_dict_cfg='full'"
                )
        self._check_save_best(runner)
        if is_main_process():
            self._lock = lock_work_dir(runner.work_dir)
        super().before_train(runner)
        self._use_paths_of(runner)
        if runner._resume and self.last_ckpt is not None:
            if is_main_process():
                self._remove_obsolete_best(runner)
            if is_validation_pending(runner, self.last_ckpt):
                runner.logger.info(f'{self.last_ckpt} was not validated: it is now.')
                runner.val_loop.run()

    def _check_save_best(self, runner: Runner) -> None:
        metrics = [] if runner.val_loop is None else runner.val_loop.evaluator.metrics
        reports = [getattr(metric, 'reports', lambda name: True) for metric in metrics]
        for key in set(self.save_best or ()) - {'auto'}:
            if reports and not any(report(key) for report in reports):
                raise ValueError(
                    f'checkpoint.save_best = {key!r} is no figure of the validation: '
                    'take one of those, such as rec/P@0.5, or auto'
                )

    def _use_paths_of(self, runner: Runner) -> None:
        """Of a work dir that was copied or moved, take the files that are there."""
        info = runner.message_hub.runtime_info
        paths = {
            key: osp.join(self.out_dir, osp.basename(info[key]))
            for key in info
            if key.startswith(('last_ckpt', 'best_ckpt')) and info[key]
        }
        for key, path in paths.items():
            runner.message_hub.update_info(key, path)
        self.last_ckpt = paths.get('last_ckpt')
        if self.save_best and len(self.key_indicators) == 1:
            self.best_ckpt_path = paths.get('best_ckpt')
        elif self.save_best:
            for key in self.key_indicators:
                self.best_ckpt_path_dict[key] = paths.get(f'best_ckpt_{key}')

    def _remove_obsolete_best(self, runner: Runner) -> None:
        """Remove a best checkpoint that a killed training saved and did not record."""
        info = runner.message_hub.runtime_info
        recorded = {path for key, path in info.items() if key.startswith('best_ckpt')}
        for key in self.save_best or ():
            pattern = f'best_{key}_{self.filename_tmpl.format("*")}'.replace('/', '_')
            for path in set(map(str, Path(self.out_dir).glob(pattern))) - recorded:
                Path(path).unlink()

    def after_val_epoch(self, runner: Runner, metrics: dict) -> None:
        """Save the best checkpoint, and write down that this one was validated.

        Raises:
            ValueError: The validation gave no ``save_best``.
        """
        missing = set(self.save_best or ()) - {'auto', *metrics}
        if missing and metrics:
            raise ValueError(
                f'checkpoint.save_best = {sorted(missing)} is no figure of the '
                f'validation, which gave {", ".join(metrics)}'
            )
        super().after_val_epoch(runner, metrics)
        if self.last_ckpt is not None and is_main_process():
            mark_validated(runner, self.last_ckpt)

    def after_train(self, runner: Runner) -> None:
        """Publish the checkpoint, if the config asks for it; unlock the work dir."""
        with safe_loading():
            super().after_train(runner)
        if self._lock is not None:
            self._lock.release()

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Take the towers out of the checkpoint, and write the resume file.

        Args:
            runner: The runner that saves.
            checkpoint: What is about to be written; changed in place.

        Raises:
            ValueError: A weight is not finite; nothing is written.
        """
        if not is_main_process():
            return  # FSDP's processes come here all, and the first alone writes
        check_state(checkpoint['state_dict'], 'the model, which is not saved,')
        checkpoint['meta'].update(self._progress)
        model = unwrap(runner.model)
        frozen = frozen_state_keys(model)
        if frozen:
            with gathered_state(runner.model, checkpoint['state_dict']):
                checkpoint['meta']['towers'] = tower_identity(model)
        for key in frozen:
            checkpoint['state_dict'].pop(key, None)
            checkpoint.get('ema_state_dict', {}).pop(f'module.{key}', None)
        resume_state = {
            key: checkpoint.pop(key) for key in set(checkpoint) - {'meta', 'state_dict'}
        }
        if self._resume_file is not None:
            resume_state['weights_crc32'] = weights_crc32(checkpoint['state_dict'])
            resume_state['progress'] = {
                key: checkpoint['meta'][key] for key in ('epoch', 'iter')
            }
            content = io.BytesIO()
            torch.save(resume_state, content)
            write_atomically(self._resume_file, content.getvalue())
        elif 'optimizer' in resume_state:
            # somebody called runner.save_checkpoint: one file that can be resumed
            checkpoint.update(resume_state)

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict) -> None:
        self.last_ckpt = osp.join(self.out_dir, self.filename_tmpl.format(step))
        outdated = self._outdated_checkpoints(runner, step)
        runner.message_hub.update_info('last_ckpt', self.last_ckpt)
        self._resume_file = resume_file(self.last_ckpt)
        # FlexibleRunner counts one too many in a checkpoint that is written again
        # because it is the best
        self._progress = {'epoch' if self.by_epoch else 'iter': step}
        try:
            runner.save_checkpoint(
                self.out_dir,
                osp.basename(self.last_ckpt),
                save_optimizer=self.save_optimizer,
                save_param_scheduler=self.save_param_scheduler,
                meta=meta,
                by_epoch=self.by_epoch,
                backend_args=self.backend_args,
            )
            if not is_main_process():
                return
            pointer = osp.join(runner.work_dir, 'last_checkpoint')
            write_atomically(pointer, self.last_ckpt.encode())
            older = Path(self.out_dir).glob(
                Path(self.filename_tmpl.format('*')).stem + RESUME_SUFFIX
            )
            for path in {str(path) for path in older} - {self._resume_file}:
                outdated.append(path)
        finally:
            self._resume_file = None
            self._progress = {}
        for path in outdated:
            Path(path).unlink(missing_ok=True)

    def _outdated_checkpoints(self, runner: Runner, step: int) -> list[str]:
        """Those beyond ``max_keep_ckpts``, when the one of ``step`` is added."""
        if self.max_keep_ckpts <= 0 or step in self.keep_ckpt_ids:
            return []
        outdated = []
        if len(self.keep_ckpt_ids) == self.max_keep_ckpts:
            oldest = self.keep_ckpt_ids.popleft()
            outdated.append(osp.join(self.out_dir, self.filename_tmpl.format(oldest)))
        self.keep_ckpt_ids.append(step)
        runner.message_hub.update_info('keep_ckpt_ids', list(self.keep_ckpt_ids))
        return outdated

    def _save_best_checkpoint(self, runner: Runner, metrics: dict) -> None:
        with self._removals_put_off():
            super()._save_best_checkpoint(runner, metrics)

    @contextmanager
    def _removals_put_off(self) -> Iterator[None]:
        """Remove files only after all went well: MMEngine removes before it saves."""
        removed: list[str] = []
        self.file_backend.remove = removed.append
        try:
            yield
        finally:
            del self.file_backend.remove
        best = {
            getattr(self, 'best_ckpt_path', None),
            *getattr(self, 'best_ckpt_path_dict', {}).values(),
        }
        for path in set(removed) - best:
            Path(path).unlink(missing_ok=True)
