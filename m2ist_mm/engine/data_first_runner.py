"""Runners that look at data and work dir before they load weights."""

from mmengine.dist import is_main_process
from mmengine.runner import Runner
from torch import nn

from ..checkpoints.work_dir_lock import lock_work_dir


class DataFirstRunner(Runner):
    """MMEngine's runner, with the data loaders built before the model.

    Weights may have to be fetched, which takes longest to fail; MMEngine builds the
    model first.

    Attributes:
        loaders: Which data loaders are built: of 'train', 'val' and 'test'.
    """

    loaders: tuple[str, ...]

    def build_model(self, model: nn.Module | dict) -> nn.Module:
        """Build the data loaders as MMEngine's loops do, then the model.

        Raises:
            ValueError, OSError: The data have faults.
            BlockingIOError: Another training runs in the work dir.
        """
        for name in self.loaders:
            config = getattr(self, f'_{name}_dataloader')
            if isinstance(config, dict):
                diff_rank_seed = self._randomness_cfg.get('diff_rank_seed', False)
                loader = self.build_dataloader(config, self.seed, diff_rank_seed)
                setattr(self, f'_{name}_dataloader', loader)
        if 'train' in self.loaders and is_main_process():
            # its hook locks it again when the training begins
            lock_work_dir(self.work_dir).release()
        return super().build_model(model)


class TrainingRunner(DataFirstRunner):
    """Runner of a training."""

    loaders = ('train', 'val')


class TestingRunner(DataFirstRunner):
    """Runner of a test."""

    loaders = ('test',)
