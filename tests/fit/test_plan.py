from dataclasses import replace
from functools import partial

import pytest
from mmdet.registry import DATASETS

from m2ist_mm.efficiency import TrainingStep, measure_step
from m2ist_mm.fit.plan import (
    WASTE,
    Need,
    Plan,
    fit_cache_batch,
    fit_memory,
    time_parts,
)


@pytest.fixture
def fit(settings, load):
    return lambda memory: fit_memory(settings, load, memory, 1000, 'cpu', ', or else')


def test_what_fits_stays_and_its_bytes_are_those_of_the_step(settings, load, fit):
    chosen, need = fit(10**9)
    assert chosen == settings
    step = measure_step(partial(TrainingStep, load(settings)), 16, 4)
    assert need.runtime == 1000
    assert need.peak == pytest.approx(step.bytes.peak, rel=0.01)
    assert need.total == pytest.approx((1 + WASTE['cpu']) * (1000 + need.peak), abs=1)


def test_half_of_the_batch_is_tried_first(settings, fit):
    whole = fit(10**9)[1].total
    chosen, need = fit(whole - 1)
    assert chosen == replace(settings, micro_batch_size=8)
    assert need.total < whole


@pytest.mark.slow
def test_savings_come_in_turn_and_the_gradient_stays(fit):
    # until two samples are too many
    smallest, found = None, []
    memory = fit(10**9)[1].total
    while True:
        try:
            chosen, need = fit(memory)
        except ValueError as error:
            smallest = str(error)
            break
        found.append((chosen.lowmem, chosen.max_expressions, chosen.micro_batch_size))
        # as many expressions in a step
        assert chosen.batch_size * chosen.max_expressions == 64
        assert need.total <= memory
        memory = need.total - 1
    assert found[0] == (False, 4, None)
    assert found[1] == (False, 4, 8)
    assert found == sorted(found, key=lambda one: (one[0], -one[1], -(one[2] or 99)))
    assert found[-1][0]  # recomputed
    assert found[-1][1] < 4
    assert smallest.endswith(', or else')
    assert 'give --memory' in smallest
    assert '\n' not in smallest


def test_fewer_inputs_are_encoded_together_where_memory_is_short(settings, load):
    config = load(settings)
    choose = partial(fit_cache_batch, settings, config, runtime=0, device='cpu')
    assert choose(memory=10**10) == settings
    sizes = [choose(memory=10**7 >> k).cache_batch_size for k in range(6)]
    assert sizes == sorted(sizes, reverse=True)
    assert len(set(sizes)) > 2
    assert choose(memory=1).cache_batch_size == 1


class Clock:
    """Each look takes a second longer than the one before."""

    def __init__(self):
        self.now = self.looks = 0

    def __call__(self):
        self.looks += 1
        self.now += self.looks
        return self.now


def test_the_shortest_times_count(nano_config):
    dataset = DATASETS.build(nano_config.train_dataloader.dataset)
    found = time_parts(nano_config, dataset, 2, 3, 'cpu', Clock())
    # between the second look and the first; three trainings and predictions follow
    assert found.step == 2
    assert found.predicting == 8 / 3
    assert found.loading == sum(range(14, 14 + 2 * 6, 2)) / 6


def test_the_plan_in_words():
    plan = Plan(
        preset='small',
        why='why',
        towers=('yolo', 'bert'),
        start='from scratch',
        start_is_whole=False,
        device='cpu',
        trained=1_234,
        parameters=56_789,
        memory=8 * 10**9,
        need=Need(500 * 10**6, 500 * 10**6, 0.25),
        batch_size=8,
        expressions=79.6,
        wanted=80,
        micro_batch_size=4,
        max_expressions=16,
        mixed_precision=False,
        lowmem=True,
        cache_bytes=dict(language=2 * 10**6, vision=3 * 10**9),
        disk=7 * 10**10,
        images=400,
        epochs=12,
        steps=50,
        seconds=dict(step=0.5, epoch=30, training=6000, judging=60, total=6060),
    )
    assert plan.lines() == [
        'model: small (why): yolo and bert',
        'start: from scratch',
        'trained: 1,234 of 56,789 parameters',
        'memory: 1.25 GB of 8.00 GB on the CPU: 0.50 GB counted for a step, 0.50 GB '
        'for the program itself, and 25% more in reserve',
        'batch: 8 samples, each an image with up to 16 sentences: 80 sentences a step '
        'on average (the recipe has 80); 4 samples at a time, with the gradient of all',
        'precision: 32-bit; the V-L encoder is computed again in backward',
        'disk: 2 MB (language), 3.00 GB (vision) for cached features; 70.00 GB are '
        'free',
        'schedule: 400 images, 12 epochs of 50 steps, 0.50 s a step',
        'time: 0.5 min an epoch, 1.7 hours for the training, 1.0 min for tests and '
        'report, 1.7 hours in all, if the machine is as busy as when it was timed',
    ]
