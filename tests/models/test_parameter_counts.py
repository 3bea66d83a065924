"""The sizes of arXiv 2407.01131: 2.11 % of the towers are tuned."""

from pathlib import Path

import pytest
import torch
from mmdet.registry import MODELS
from mmengine import Config

from m2ist_mm.models import parameter_counts

ROOT = Path(__file__).parents[2]
VISION = 23_508_032 + 8_414_976
LANGUAGE = 108_891_648
PAIR = 495_872
LAYER = 4 * 256 * 256 + 4 * 256 + 2 * 256 * 2048 + 2048 + 256 + 4 * 256
HEAD = (
    256 * 256 + 256  # vision projection
    + 768 * 256 + 256  # language projection
    + 256 + (1 + 20 + 400) * 256  # REG token and positions
    + 6 * LAYER
    + 2 * (256 * 256 + 256) + 4 * 256 + 4  # box MLP
)  # fmt: skip


def size(module):
    return sum(parameter.numel() for parameter in module.parameters())


def build(**backbone):
    config = Config.fromfile(ROOT / 'configs/_base_/models/m2ist_r50.py').model
    config.backbone.vision.weights = None
    config.backbone.language.weights = None
    config.backbone.update(backbone)
    with torch.device('meta'):
        return MODELS.build(config)


@pytest.fixture(scope='module')
def r50():
    return build()


def test_sizes_of_the_towers(r50):
    vision, language = r50.backbone.vision, r50.backbone.language
    assert size(vision.backbone) == 23_508_032
    assert size(vision.input_proj) + size(vision.encoder) == 8_414_976
    assert size(vision) == VISION
    assert size(language) == LANGUAGE


def test_sizes_of_the_side_networks(r50, stand_in):
    towers = dict(vision=stand_in(256), language=stand_in(768))
    pair = dict(type='M3ISA', towers=towers, vision_layers=[0], language_layers=[0])
    assert size(r50.neck) == 2_975_232
    assert size(MODELS.build(pair)) == PAIR
    sizes = {
        name: size(MODELS.build(dict(pair, experts=(name,))))
        for name in ('vea', 'lea', 'iea')
    }
    bottleneck = 128 * (256 + 256) + 128 + 256
    assert sizes['vea'] == bottleneck + 2 * 256
    assert sizes['lea'] == 128 * (768 + 768) + 128 + 768 + 2 * 768
    assert sum(sizes.values()) == PAIR
    separate = MODELS.build(dict(pair, share=False))
    assert size(separate) == PAIR + 128 * 256 + 256


def test_counts_of_the_r50_model(r50):
    assert parameter_counts(r50) == dict(
        tower_params=140_814_656,
        tuned_tower_params=0,
        adapter_params=2_975_232,
        adapter_ratio=0.02113,
        head_params=HEAD,
        trained_params=2_975_232 + HEAD,
        total_params=140_814_656 + 2_975_232 + HEAD,
    )


def test_counts_of_full_fine_tuning():
    counts = parameter_counts(build(freeze=False))
    convolution = 64 * 3 * 7 * 7
    # bottlenecks of 64 channels, the first with a shortcut
    layer1 = 3 * (64 * 64 * 9 + 256 * 64) + 64 * 64 + 2 * 64 * 256 + 64 * 256
    norms = 53_120
    assert counts['tower_params'] == 140_814_656
    tuned = 140_814_656 - convolution - layer1 - norms
    assert counts['tuned_tower_params'] == tuned
    assert counts['trained_params'] == tuned + 2_975_232 + HEAD


def test_counts_without_side_networks(model_config):
    model_config.neck = None
    model = MODELS.build(model_config)
    counts = parameter_counts(model)
    assert counts['adapter_params'] == 0
    assert counts['adapter_ratio'] == 0
    assert counts['trained_params'] == counts['head_params'] == size(model.bbox_head)
    assert counts['total_params'] == size(model.backbone) + size(model.bbox_head)


def test_tuned_weights_of_the_r50_model_are_at_most_46_megabytes(r50):
    for tower in r50.backbone.towers.values():
        tower.weights = 'pre-trained'
    left_out = {
        f'backbone.{name}.{key}'
        for name, tower in r50.backbone.towers.items()
        for key in tower.frozen_state_keys()
    }
    tuned = [
        value.numel() * value.element_size()
        for name, value in r50.state_dict().items()
        if name not in left_out
    ]
    assert sum(tuned) == 4 * (2_975_232 + HEAD)
    assert sum(tuned) <= 46e6
