import copy
import subprocess
import sys

import pytest
import torch
from mmdet.registry import MODELS

from m2ist_mm.feature_cache import FeatureCache, tower_identity


def identities(config):
    backbone = MODELS.build(config)
    for tower in backbone.towers.values():
        tower.tap(dict(ffn=[0]))
    return {name: tower_identity(tower) for name, tower in backbone.towers.items()}


@pytest.fixture
def config(nano_config):
    return nano_config.model.backbone


@pytest.mark.slow
def test_same_towers_have_the_same_in_every_process(config, nano_path):
    program = f"""
import m2ist_mm
from m2ist_mm.config import load_config_file
from m2ist_mm.feature_cache import tower_identity
from mmdet.registry import MODELS
backbone = MODELS.build(load_config_file({str(nano_path)!r}).model.backbone)
for tower in backbone.towers.values():
    tower.tap(dict(ffn=[0]))
    print(tower_identity(tower))
"""
    # what is hashed from addresses or in the order of sets would differ
    done = subprocess.run(
        [sys.executable, '-c', program], capture_output=True, text=True, check=True
    )
    assert done.stdout.split()[-2:] == list(identities(config).values())


def test_name_of_the_weights_does_not_matter(config, tmp_path):
    before = identities(config)
    moved = tmp_path / 'moved.pth'
    with open(config.vision.weights, 'rb') as file:
        moved.write_bytes(file.read())
    config.vision.weights = str(moved)
    assert identities(config) == before


def test_cache_does_not_matter(backbone):
    tower = backbone.language
    before = tower_identity(tower)
    tower.cache = FeatureCache(tower, max_entries=1)
    assert tower_identity(tower) == before


def test_random_towers_have_one_each(config):
    config.vision.weights = None
    assert identities(config)['vision'] != identities(config)['vision']


@pytest.mark.parametrize(
    'change',
    [
        lambda vision: vision.update(num_heads=2),
        lambda vision: vision.backbone.update(strides=(1, 2, 1, 2)),
        lambda vision: vision.update(taps=dict(ffn='encoder.layers.{i}.norms.0')),
    ],
)
def test_architecture_and_tapped_modules_matter(config, change):
    before = identities(config)
    change(config.vision)
    after = identities(config)
    assert after['vision'] != before['vision']
    assert after['language'] == before['language']


def test_each_weight_and_statistic_matters(config):
    tower = MODELS.build(config).vision
    seen = {tower_identity(tower)}
    for value in copy.deepcopy([*tower.state_dict()]):
        with torch.no_grad():
            tower.state_dict()[value].add_(1)
        seen.add(tower_identity(tower))
    assert len(seen) == 1 + len(tower.state_dict())
