"""A tiny model with each tuner: DETR encoder of two layers, BERT of three."""

import copy

import pytest
from mmengine import ConfigDict

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


@pytest.fixture
def tuned_config(model_config):
    """Builds the config of the tiny model with a tuner and without side networks."""

    def build(tuner, vit=False, **changes):
        config = copy.deepcopy(model_config)
        config.neck = None
        # assigned: update() would merge
        config.backbone.tuner = tuner if tuner is None else ConfigDict(tuner)
        if vit:
            config.backbone.vision = ConfigDict(
                VIT, size=model_config.backbone.vision.size
            )
        config.backbone.language.arch.num_hidden_layers = 3
        config.backbone.update(changes)
        return config

    return build
