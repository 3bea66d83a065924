from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from m2ist_mm.fit.planning import Planner
from m2ist_mm.fit.presets import PRESETS, Preset, find_preset


def preset(**changes):
    settings = dict(epochs=3, expressions=80, images=6400)
    return Preset(Path('c.py'), 'why', **settings | changes)


@pytest.mark.parametrize(
    ('images', 'epochs'),
    [(6400, 3), (1600, 6), (400, 12), (100, 24), (20, 40), (1, 40), (10**6, 3)],
)
def test_a_quarter_of_the_images_gets_twice_the_epochs(images, epochs):
    assert preset().epochs_for(images) == epochs


def test_long_recipes_get_no_longer_and_unknown_ones_stay():
    assert preset(epochs=90).epochs_for(100) == 90
    assert preset(images=None, epochs=7).epochs_for(100) == 7


def test_a_trained_start_takes_half_the_epochs():
    assert preset().epochs_for(1600, trained=True) == 3
    assert preset().epochs_for(400, trained=True) == 6
    assert preset(images=None, epochs=7).epochs_for(100, trained=True) == 4


@pytest.mark.parametrize(
    ('samples', 'expressions', 'batch'),
    [
        (1000, 10_000, 8),  # ten a sample: 80
        (1000, 1000, 80),
        (100, 100, 12),  # eight steps an epoch
        (5, 500, 1),
    ],
)
def test_a_batch_has_as_many_expressions_as_the_recipe_s(samples, expressions, batch):
    assert preset().batch_for(samples, expressions) == batch


def test_a_run_for_the_report_has_no_larger_batch_than_was_planned_for():
    planner = SimpleNamespace(
        preset=preset(), options=SimpleNamespace(epochs=None), grounder=None
    )
    rows = [dict(image=str(number)) for number in range(100)]
    found = Planner.recipe(planner, rows, 100), Planner.recipe(planner, rows, 100, 7)
    assert [one['batch_size'] for one in found] == [12, 7]
    assert [one['steps_per_epoch'] for one in found] == [9, 15]


@pytest.mark.parametrize(
    ('device', 'unit', 'asked', 'faster'),
    [
        ('cpu', 'avx512_bf16', None, True),
        ('cpu', 'avx512_f', None, False),
        ('cpu', 'avx512_bf16', False, False),
        ('cpu', 'avx512_f', True, True),
        ('cuda', 'avx512_f', None, True),
    ],
)
def test_sixteen_bits_are_taken_where_they_are_faster(
    monkeypatch, device, unit, asked, faster
):
    monkeypatch.setattr(torch.cpu, 'get_capabilities', lambda: {unit: True})
    planner = SimpleNamespace(
        preset=find_preset('small'),
        options=SimpleNamespace(amp=asked, seed=0, cfg_options={}),
        summary=SimpleNamespace(
            rows=lambda split: [dict(image='a.jpg')], image_root='images'
        ),
        device=device,
        grounder=None,
    )
    assert (Planner._first_settings(planner).amp is not None) == faster


@pytest.mark.parametrize('name', PRESETS)
def test_presets_are_configs_of_the_model_index(name):
    found = find_preset(name)
    assert found.config.is_file()
    assert found.epochs > 0
    assert (found.grounder is not None) == (name == 'small')
    if found.grounder is not None:
        assert found.grounder.parent == Path(__file__).parents[2] / 'weights'


def test_a_config_file_is_a_preset(nano_path):
    found = find_preset(str(nano_path))
    assert found.config == nano_path
    assert (found.epochs, found.expressions, found.images) == (3, 64, None)


def test_what_is_neither_is_refused():
    with pytest.raises(FileNotFoundError, match='none of small, r50, vitb, and no'):
        find_preset('huge')
