"""A tiny model with each tuner: DETR encoder of two layers, BERT of three."""

import pytest
from mmengine import ConfigDict

VISION_SITES = dict(
    attention='encoder.layers.{i}.self_attn.proj_drop',
    ffn_input='encoder.layers.{i}.ffn.layers',
    ffn='encoder.layers.{i}.ffn.layers',
    query='encoder.layers.{i}.self_attn.attn',
    value='encoder.layers.{i}.self_attn.attn',
)
LANGUAGE_SITES = dict(
    attention='model.encoder.layer.{i}.attention.output.dense',
    ffn_input='model.encoder.layer.{i}.intermediate',
    ffn='model.encoder.layer.{i}.output.dense',
    query='model.encoder.layer.{i}.attention.self.query',
    value='model.encoder.layer.{i}.attention.self.value',
    embedding='model.embeddings.word_embeddings',
)
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
VIT_SITES = dict(
    attention='model.encoder.layer.{i}.layer_scale1',
    ffn_input='model.encoder.layer.{i}.mlp',
    ffn='model.encoder.layer.{i}.layer_scale2',
    query=[
        'model.encoder.layer.{i}.attention.q_proj',
        'model.encoder.layer.{i}.attention.attention.query',
    ],
    value=[
        'model.encoder.layer.{i}.attention.v_proj',
        'model.encoder.layer.{i}.attention.attention.value',
    ],
)


@pytest.fixture
def tuned_config(model_config):
    """Builds the config of the tiny model with a tuner and without side networks."""

    def build(tuner, vit=False, **changes):
        model_config.neck = None
        # assigned: update() would merge
        model_config.backbone.tuner = tuner if tuner is None else ConfigDict(tuner)
        model_config.backbone.update(
            vision_layers=[],
            language_layers=[],
            vision_sites=VIT_SITES if vit else VISION_SITES,
            language_sites=LANGUAGE_SITES,
        )
        if vit:
            model_config.backbone.vision = ConfigDict(VIT)
            model_config.backbone.vision_taps = ConfigDict()
        model_config.backbone.language.arch.num_hidden_layers = 3
        model_config.backbone.update(changes)
        return model_config

    return build
