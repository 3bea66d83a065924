"""Checks the data before a training."""

from mmdet.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop, Runner
from torch.utils.data import DataLoader

from ...datasets import RECDataset
from ...datasets.checks import find_repetitions
from .epoch_seed_hook import leaf_datasets


@HOOKS.register_module()
class DataCheckHook(Hook):
    """Logs repetitions in the data, and refuses a training without batches.

    It logs one line each on images in both training and validation, rows that
    contradict others (the same words for disjoint boxes of one image), and rows that
    repeat another exactly.
    """

    def before_train(self, runner: Runner) -> None:
        """Look at the datasets of training and validation.

        Raises:
            ValueError: There are fewer samples than a batch has, and
                ``drop_last=True`` leaves them out.
        """
        loader = runner.train_dataloader
        if not len(loader) and isinstance(runner.train_loop, EpochBasedTrainLoop):
            raise ValueError(_no_batch(loader))
        if runner.rank:
            return
        loaders = dict(train=loader)
        if runner.val_loop is not None:
            loaders['val'] = runner.val_dataloader
        parts = [
            (name, map(dataset.get_data_info, range(len(dataset))))
            for name, part in loaders.items()
            for dataset in leaf_datasets(part.dataset)
            if isinstance(dataset, RECDataset)
        ]
        for line in find_repetitions(parts):
            runner.logger.warning(line)


def _no_batch(loader: DataLoader) -> str:
    sampler = loader.batch_sampler
    return (
        f'train_dataloader: {len(sampler.sampler)} samples of this process are fewer '
        f'than batch_size={sampler.batch_size}, and drop_last=True leaves them out: '
        'nothing would be trained; lower batch_size or set drop_last=False'
    )
