"""Checks data and metrics before they are needed."""

import copy

import torch
from mmdet.registry import HOOKS
from mmdet.structures import DetDataSample
from mmengine.dataset import pseudo_collate
from mmengine.evaluator import BaseMetric, Evaluator
from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop, Runner
from mmengine.structures import InstanceData
from torch.utils.data import DataLoader, Dataset

from ...datasets import RECDataset
from ...datasets.checks import find_repetitions
from ...structures import Expressions
from .epoch_seed_hook import leaf_datasets


@HOOKS.register_module()
class DataCheckHook(Hook):
    """Logs repetitions; refuses a training without batches, and another task's metrics.

    It logs one line each on images in both training and validation, rows that
    contradict others (the same words for disjoint boxes of one image), and rows that
    repeat another exactly.
    """

    def before_train(self, runner: Runner) -> None:
        """Look at the datasets of training and validation.

        Raises:
            ValueError: There are fewer samples than a batch has, and
                ``drop_last=True`` leaves them out; or see :func:`try_metrics`.
        """
        loader = runner.train_dataloader
        if not len(loader) and isinstance(runner.train_loop, EpochBasedTrainLoop):
            raise ValueError(_no_batch(loader))
        if runner.val_loop is not None:
            try_metrics(
                'val_evaluator',
                runner.val_loop.evaluator,
                runner.val_dataloader.dataset,
            )
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

    def before_test(self, runner: Runner) -> None:
        """Try the metrics, see :func:`try_metrics`."""
        data = runner.test_dataloader.dataset
        try_metrics('test_evaluator', runner.test_loop.evaluator, data)


def try_metrics(key: str, evaluator: Evaluator, dataset: Dataset) -> None:
    """Give metrics the first sample of the data with a made prediction.

    Args:
        key: Where the config has the metrics.
        evaluator: The metrics; what they have gathered stays as it is.
        dataset: The data; others than expressions in images are left alone.

    Raises:
        ValueError: A metric of mmdet fails on what the grounder predicts.
    """
    batch = pseudo_collate([dataset[0]])
    if not isinstance(batch, dict):
        return
    samples = [
        sample.new()
        for sample in batch.get('data_samples', ())
        if isinstance(sample, DetDataSample) and 'text' in sample
    ]
    for sample in samples:
        count = len(Expressions.of(sample))
        sample.pred_instances = InstanceData(
            bboxes=torch.zeros(count, 4), labels=torch.arange(count)
        )
    for metric in evaluator.metrics if samples else ():
        _try(key, metric, batch, [sample.to_dict() for sample in samples])


def _try(key: str, metric: BaseMetric, batch: dict, samples: list[dict]) -> None:
    trial = copy.copy(metric)
    trial.results = []
    try:
        trial.process(batch, samples)
    except (AttributeError, IndexError, KeyError, TypeError) as error:
        if not type(metric).__module__.startswith('mmdet.'):
            raise  # somebody's own
        raise ValueError(
            f'{key}: {type(metric).__name__} is for another task: it cannot read boxes '
            'of expressions without scores '
            f"({type(error).__name__}: {error}); use type='RECMetric'"
        ) from error


def _no_batch(loader: DataLoader) -> str:
    sampler = loader.batch_sampler
    return (
        f'train_dataloader: {len(sampler.sampler)} samples of this process are fewer '
        f'than batch_size={sampler.batch_size}, and drop_last=True leaves them out: '
        'nothing would be trained; lower batch_size or set drop_last=False'
    )
