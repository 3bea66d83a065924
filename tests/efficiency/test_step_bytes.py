import copy
from functools import partial
from pathlib import Path

import pytest

import m2ist_mm.feature_cache  # noqa: F401  (as a config with a cache does)
from m2ist_mm.config import load_config_file
from m2ist_mm.efficiency import TrainingStep, measure_step


@pytest.fixture(scope='module')
def configs(nano_path):
    frozen = load_config_file(nano_path)
    tuned = copy.deepcopy(frozen)
    tuned.model.backbone['freeze'] = False
    return dict(frozen=frozen, tuned=tuned)


@pytest.fixture(scope='module')
def measured(configs):
    """What two images with an expression each cost."""
    return {
        name: measure_step(partial(TrainingStep, config), 2, 1)
        for name, config in configs.items()
    }


def size(tensors):
    return sum(t.numel() * t.element_size() for t in tensors)


@pytest.mark.parametrize('towers', ['frozen', 'tuned'])
def test_fixed_bytes_are_those_of_the_model(configs, measured, towers):
    model, figures = TrainingStep(configs[towers]).model, measured[towers].bytes
    assert figures.parameters == size([*model.parameters(), *model.buffers()])
    tuned = [p for p in model.parameters() if p.requires_grad]
    assert figures.gradients == size(tuned)
    # two moments and a counter each
    assert figures.optimizer == 2 * size(tuned) + 4 * len(tuned)
    assert figures.kept == 0


@pytest.mark.parametrize('towers', ['frozen', 'tuned'])
def test_peak_holds_what_must_be_there_together(measured, towers):
    figures = measured[towers].bytes
    assert figures.transient > figures.total_saved
    assert figures.transient >= figures.gradients
    assert figures.peak == figures.parameters + figures.optimizer + figures.transient


def test_frozen_towers_save_nothing(measured):
    frozen, tuned = measured['frozen'].bytes.saved, measured['tuned'].bytes.saved
    head = {'projections', 'V-L encoder layer 1', 'V-L encoder layer 2', 'head'}
    assert head | {'side networks'} <= set(frozen)
    assert set(tuned) - set(frozen) == {'vision tower', 'language tower'}


def test_repetition_gives_the_same(configs, measured):
    build = partial(TrainingStep, configs['frozen'])
    assert measure_step(build, 2, 1) == measured['frozen']


def test_text_cache_is_what_is_kept(nano_config):
    nano_config.default_hooks.feature_cache = dict(
        type='FeatureCacheHook', language=dict(folder='cache')
    )
    measured = measure_step(partial(TrainingStep, nano_config), 2, 3).bytes
    # 6 expressions of 8 tokens, each with its mask and 48 channels of tokens, input
    # tokens and two taps of two layers
    assert measured.kept == 6 * 8 * (1 + (2 + 2 * 2) * 48 * 4)
    assert not Path('cache').exists()
