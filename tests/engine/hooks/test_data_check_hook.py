from types import SimpleNamespace
from unittest.mock import Mock

import pytest
from mmengine.dataset import ConcatDataset
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop
from torch.utils.data import DataLoader

from m2ist_mm.datasets import ReferDataset
from m2ist_mm.engine import DataCheckHook


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
        val_loop=None if val is None else Mock(),
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
