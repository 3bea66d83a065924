import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.hooks import Hook
from torch.utils.data import ConcatDataset, Subset

from m2ist_mm.engine.hooks.epoch_seed_hook import seed_generators, set_epoch


class Draws(Hook):
    """Records what each generator gives in every iteration."""

    priority = 'LOWEST'

    def __init__(self, disturb=False):
        self.values = []
        self.disturb = disturb

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.values.append((random.random(), np.random.rand(), torch.rand(1).item()))
        if self.disturb:
            torch.rand(7)


class Dataset(torch.utils.data.Dataset):
    metainfo = {}

    def __init__(self):
        self.epochs = []

    def set_epoch(self, epoch):
        self.epochs.append(epoch)

    def __len__(self):
        return 4

    def __getitem__(self, index):
        return index


def train(make_runner, name, disturb=False, **kwargs):
    draws = Draws(disturb)
    runner = make_runner(name=name, custom_hooks=[draws], **kwargs)
    runner.train()
    return runner, draws.values


def test_iterations_draw_the_same_whatever_was_drawn_before(make_runner):
    _, first = train(make_runner, 'a')
    _, second = train(make_runner, 'b', disturb=True)
    assert first == second
    for column in zip(*first, strict=True):
        assert len(set(column)) == 4  # four iterations, none like another


def test_other_seeds_draw_otherwise(make_runner):
    _, first = train(make_runner, 'a')
    _, second = train(make_runner, 'b', randomness=dict(seed=4))
    assert not {x for row in first for x in row} & {x for row in second for x in row}


def test_ranks_draw_otherwise():
    seed_generators(3, 5, 0)
    first = torch.rand(1), np.random.rand(), random.random()
    seed_generators(3, 5, 1)
    second = torch.rand(1), np.random.rand(), random.random()
    assert all(a != b for a, b in zip(first, second, strict=True))


def test_data_set_is_told_each_epoch(make_runner):
    runner, _ = train(make_runner, 'a', max_epochs=3)
    assert runner.train_dataloader.dataset.epochs == [0, 1, 2]


def test_iteration_based_training_counts_passes(make_runner):
    # 8 samples in batches of 4: a pass is two iterations
    runner, _ = train(
        make_runner,
        'a',
        train_cfg=dict(by_epoch=False, max_iters=5),
        sampler='InfiniteSampler',
        param_scheduler=None,
        checkpoint=dict(by_epoch=False),
    )
    assert runner.train_dataloader.dataset.epochs == [0, 1, 2]


@pytest.mark.parametrize(
    'wrap',
    [
        lambda inner: ConcatDataset([inner]),
        lambda inner: Subset(inner, [0, 1]),
        lambda inner: SimpleNamespace(dataset=Subset(inner, [0])),
    ],
)
def test_epoch_reaches_wrapped_data_sets(wrap):
    inner = Dataset()
    set_epoch(wrap(inner), 7)
    assert inner.epochs == [7]


def test_data_sets_that_count_no_epochs_are_left_alone():
    set_epoch(Subset([1, 2], [0]), 1)


def test_resumed_training_orders_the_data_by_the_seed_it_had(make_runner):
    runner = make_runner(name='run', max_epochs=1, randomness=dict(seed=11))
    runner.train()
    resumed = make_runner(
        name='run', max_epochs=2, resume=True, randomness=dict(seed=None)
    )
    resumed.train()
    assert resumed.train_dataloader.sampler.seed == 11
