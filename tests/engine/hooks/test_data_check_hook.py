from types import SimpleNamespace
from unittest.mock import Mock

import pytest
from mmdet.evaluation import CocoMetric
from mmdet.registry import DATASETS
from mmengine.dataset import ConcatDataset
from mmengine.evaluator import BaseMetric, DumpResults, Evaluator
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop
from torch.utils.data import DataLoader

from m2ist_mm.config import load_config_file
from m2ist_mm.datasets import ReferDataset
from m2ist_mm.engine import DataCheckHook
from m2ist_mm.engine.hooks.data_check_hook import try_metrics
from m2ist_mm.evaluation import RECMetric


def build(root, split):
    return ReferDataset(
        data_root=str(root),
        refs_file='refcoco/refs(unc).p',
        ann_file='refcoco/instances.json',
        data_prefix=dict(img='train2014/'),
        split=split,
        serialize_data=False,
    )


def run(train, val=None, batch_size=4, loop=EpochBasedTrainLoop, rank=0):
    runner = SimpleNamespace(
        train_dataloader=DataLoader(train, batch_size, drop_last=True),
        train_loop=Mock(spec=loop),
        val_loop=None if val is None else Mock(evaluator=Evaluator([])),
        val_dataloader=None if val is None else DataLoader(val),
        rank=rank,
        logger=Mock(),
    )
    DataCheckHook().before_train(runner)
    return [call.args[0] for call in runner.logger.warning.call_args_list]


def test_sound_data_have_no_line(mini_refcoco):
    assert run(build(mini_refcoco, 'train'), build(mini_refcoco, 'val')) == []


def test_repetitions_of_training_and_validation_are_lines(refer_folder):
    def repeat(refs):
        refs[1]['split'] = 'val'
        refs[2]['sentences'][1]['sent'] = 'left block'

    refer_folder.change_refs(repeat)
    train, val = (build(refer_folder.root, split) for split in ('train', 'val'))
    path = refer_folder.image_path(1)
    expected = [
        '1 images are in several splits, the first: '
        f'{refer_folder.image_path(0)} in train and val',
        '1 rows repeat another one exactly (image, text and box), the first: '
        f"'left block' in {path}",
    ]
    assert run(train, val) == expected
    assert run(ConcatDataset([train]), ConcatDataset([val])) == expected
    assert run(train) == expected[1:]
    assert run(train, val, rank=1) == []


def test_training_without_a_batch_is_refused(mini_refcoco):
    train = build(mini_refcoco, 'train')
    with pytest.raises(ValueError, match=r'12 samples .* than batch_size=13, and drop'):
        run(train, batch_size=13)
    assert run(train, batch_size=12) == []
    # passes over the data do not end there
    assert run(train, batch_size=13, loop=IterBasedTrainLoop) == []


def test_other_datasets_are_left_alone():
    assert run([1, 2, 3, 4]) == []


@pytest.fixture
def samples(nano_path):
    """A dataset whose samples are those of a test."""
    return DATASETS.build(load_config_file(nano_path).test_dataloader.dataset)


def test_metric_of_another_task_is_refused(samples):
    metrics = [RECMetric(), CocoMetric()]
    with pytest.raises(ValueError) as refused:
        try_metrics('val_evaluator', Evaluator(metrics), ConcatDataset([samples]))
    assert str(refused.value) == (
        'val_evaluator: CocoMetric is for another task: it cannot read boxes of '
        "expressions without scores (KeyError: 'scores'); use type='RECMetric'"
    )


@pytest.mark.parametrize('when', ['train', 'test'])
def test_metrics_are_tried_before_training_and_test(samples, when):
    loop = Mock(evaluator=Evaluator([CocoMetric()]))
    loader = DataLoader(samples)
    runner = SimpleNamespace(
        train_dataloader=loader, train_loop=None, val_loop=loop, test_loop=loop,
        val_dataloader=loader, test_dataloader=loader,
    )  # fmt: skip
    with pytest.raises(ValueError, match=r'^(val|test)_evaluator: CocoMetric is for'):
        getattr(DataCheckHook(), f'before_{when}')(runner)


def test_a_trial_of_metrics_leaves_nothing(samples, tmp_path):
    metrics = [RECMetric(), DumpResults(str(tmp_path / 'a.pkl'))]
    metrics[0].results.append('kept')
    try_metrics('test_evaluator', Evaluator(metrics), samples)
    assert [metric.results for metric in metrics] == [['kept'], []]
    assert not list(tmp_path.iterdir())


def test_fault_in_a_metric_of_ones_own_is_shown_as_it_is(samples):
    class Own(BaseMetric):
        def process(self, data_batch, data_samples):
            (sample,) = data_samples
            assert len(sample['pred_instances']['bboxes']) == len(data_batch['inputs'])
            sample['nothing']

        def compute_metrics(self, results): ...

    with pytest.raises(KeyError, match='nothing'):
        try_metrics('test_evaluator', Evaluator([Own()]), samples)
