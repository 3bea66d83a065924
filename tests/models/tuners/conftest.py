"""A tiny model with each tuner: DETR encoder of two layers, BERT of three."""

import copy
import functools
from pathlib import Path

import pytest
from mmengine import Config, ConfigDict

PETL = Path(__file__).parents[3] / 'configs' / 'petl'
VIT = dict(
    type='TransformersVisionTower',
    weights=None,
    arch=dict(
        model_type='dinov2',
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        mlp_ratio=2,
        image_size=64,
        patch_size=32,
    ),
)


@functools.cache
def sites(tower):
    """The sites that a config of configs/petl names, by argument of the backbone."""
    backbone = Config.fromfile(PETL / f'frozen_{tower}_refcoco.py').model.backbone
    return {name: backbone[name] for name in ('vision_sites', 'language_sites')}


@pytest.fixture
def tuned_config(model_config):
    """Builds the config of the tiny model with a tuner and without side networks."""

    def build(tuner, vit=False, **changes):
        config = copy.deepcopy(model_config)
        config.neck = None
        # assigned: update() would merge
        config.backbone.tuner = tuner if tuner is None else ConfigDict(tuner)
        config.backbone.update(
            vision_layers=[],
            language_layers=[],
            **copy.deepcopy(sites('vitb' if vit else 'r50')),
        )
        if vit:
            config.backbone.vision = ConfigDict(VIT)
            config.backbone.vision_taps = ConfigDict()
        config.backbone.language.arch.num_hidden_layers = 3
        config.backbone.update(changes)
        return config

    return build
