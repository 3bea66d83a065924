from functools import partial

import pytest
import torch
from torch import nn

from m2ist_mm.efficiency import (
    AllocationTracker,
    TrainingStep,
    extrapolate,
    extrapolate_peak,
    extrapolate_step,
    measure_step,
)


def test_line_goes_through_both_points():
    assert extrapolate((2, 3), (70, 100), 2) == 70
    assert extrapolate((2, 3), (70, 100), 3) == 100
    assert extrapolate((2, 3), (70, 100), 64) == 10 + 30 * 64
    assert extrapolate((2, 4), (7, 7), 64) == 7


def timeline(layer, images):
    inputs = torch.randn(images, 100)
    with AllocationTracker() as tracker:
        # a loop over images, as preprocessors have it
        batch = torch.stack([image * 2 for image in inputs])
        layer(batch).square().sum().backward()
        layer.zero_grad()
    return tracker


@pytest.mark.parametrize('target', [3, 4, 100])
def test_peak_that_moves_with_the_batch_is_exact(target):
    # at 1 or 2 images most is alive when the gradients are there, at 100 when the
    # activations are
    layer = nn.Linear(100, 200)
    low, high = (timeline(layer, images) for images in (2, 3))
    measured = timeline(layer, target)
    foretold = extrapolate_peak((2, 3), (low.timeline, high.timeline), target)
    assert foretold == measured.peak
    if target == 100:
        assert extrapolate((2, 3), (low.peak, high.peak), target) < measured.peak


def test_peak_between_operations_that_do_not_correspond_is_on_the_line():
    low = [('', 5), ('a', 10), ('b', 20)]
    high = [('', 5), ('c', 15), ('d', 30)]
    assert extrapolate_peak((1, 2), (low, high), 4) == 50


@pytest.mark.slow
def test_extrapolated_step_is_what_is_measured(nano_config):
    nano_config.model.backbone['freeze'] = False
    build = partial(TrainingStep, nano_config)
    low, high, third = (measure_step(build, images, 1) for images in (2, 3, 8))
    assert extrapolate_step(low, high, 8) == third.bytes
