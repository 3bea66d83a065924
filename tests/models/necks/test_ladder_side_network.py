import copy

import pytest
import torch
import torch.nn.functional as F
from mmdet.registry import MODELS
from mmengine import ConfigDict

from m2ist_mm.models import parameter_counts

NECK = dict(
    type='LadderSideNetwork',
    reduction=4,
    vision=dict(num_heads=2),
    language=dict(num_heads=2, activation='relu'),
)


@pytest.fixture
def ladder_config(model_config):
    model_config.neck = ConfigDict(copy.deepcopy(NECK))
    return model_config


def by_hand(w, x, taps, mask, heads=2):
    """The ladder's top from the weights by name."""

    def linear(name, value):
        return F.linear(value, w[f'{name}.weight'], w[f'{name}.bias'])

    def norm(name, value):
        return F.layer_norm(
            value, value.shape[-1:], w[f'{name}.weight'], w[f'{name}.bias']
        )

    side = linear('inputs', x)
    for i, tap in enumerate(taps):
        gate = torch.sigmoid(w['gates'][i] / 0.1)
        side = gate * linear(f'taps.{i}', tap) + (1 - gate) * side
        layer = f'layers.{i}'
        packed = F.linear(
            side,
            w[f'{layer}.self_attn.in_proj_weight'],
            w[f'{layer}.self_attn.in_proj_bias'],
        )
        query, key, value = (
            one.unflatten(-1, (heads, -1)).transpose(1, 2)
            for one in packed.chunk(3, dim=-1)
        )
        seen = ~mask[:, None, None]
        a = F.scaled_dot_product_attention(query, key, value, attn_mask=seen)
        a = linear(f'{layer}.self_attn.out_proj', a.transpose(1, 2).flatten(2))
        side = norm(f'{layer}.norm1', side + a)
        hidden = linear(f'{layer}.linear1', side).relu()
        side = norm(f'{layer}.norm2', side + linear(f'{layer}.linear2', hidden))
    return linear('up', side)


@torch.no_grad()
def test_outputs_are_those_of_the_formula(make_model, ladder_config, inputs):
    model = make_model(ladder_config).eval()
    vision = model.backbone.vision.encode(inputs['images'], inputs['padding_mask'])
    language = model.backbone.language.encode(
        inputs['input_ids'], inputs['attention_mask']
    )
    outputs = model.neck(vision, language)
    for features, output, ladder in zip(
        (vision, language),
        outputs,
        (model.neck.vision, model.neck.language),
        strict=True,
    ):
        w = ladder.state_dict()
        assert w['gates'].any()
        wanted = by_hand(w, features.inputs, features.taps['layer'], features.mask)
        kept = ~features.mask
        torch.testing.assert_close(
            (output - features.tokens)[kept], wanted[kept], rtol=0, atol=1e-5
        )


def test_first_outputs_are_those_of_the_towers(ladder_config, inputs):
    model = MODELS.build(ladder_config).train()
    model.init_weights()
    vision, language = model.backbone(
        *(inputs[k] for k in ('images', 'padding_mask', 'input_ids', 'attention_mask'))
    )
    outputs = model.neck(vision, language)
    assert torch.equal(outputs[0], vision.tokens)
    assert torch.equal(outputs[1], language.tokens)
    assert not vision.tokens.requires_grad  # no gradient passes the towers
    assert not any(tap.requires_grad for tap in language.taps['layer'])


def test_training_changes_the_ladders_and_leaves_the_towers(
    make_model, ladder_config, inputs
):
    ladder_config.neck.dropout = 0.0
    model = make_model(ladder_config).train()
    model.bbox_head.requires_grad_(False).eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    tuned = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(tuned, lr=3e-3, weight_decay=0.1)
    losses = []
    for _ in range(15):
        optimiser.zero_grad()
        losses.append((model._forward(inputs) - 0.3).abs().sum())
        losses[-1].backward()
        optimiser.step()
    assert losses[-1] < 0.99 * losses[0]  # by the ladders alone: the head stands still
    for name, value in model.state_dict().items():
        moved = not torch.equal(value, before[name])
        assert moved == name.startswith('neck.'), name


def test_size_is_that_of_the_formula(ladder_config):
    def ladder(layers, channels, feedforward):
        c, f = channels // 4, feedforward // 4
        layer = 1 + 4 * c * c + 9 * c + 2 * c * f + f
        return (
            (layers + 1) * (channels * c + c)
            + layers * layer
            + c * channels
            + (channels)
        )

    counts = parameter_counts(MODELS.build(ladder_config))
    assert counts['adapter_params'] == ladder(2, 32, 64) + ladder(2, 48, 64)


def test_layers_are_those_of_the_towers(towers):
    ladder = MODELS.build(
        dict(type='LadderSideNetwork', reduction=4), default_args=dict(towers=towers)
    )
    for name, heads, activation in (('vision', 4, 'relu'), ('language', 4, 'gelu')):
        for layer in getattr(ladder, name).layers:
            assert layer.self_attn.num_heads == heads
            assert layer.linear1.out_features == 64 // 4
            assert layer.activation is getattr(F, activation)


def test_missing_taps_are_named(ladder_config):
    ladder_config.backbone.vision = ConfigDict(
        type='BackboneTower',
        backbone=dict(type='MobileNetV2', out_indices=(7,)),
    )
    with pytest.raises(ValueError) as error:
        MODELS.build(ladder_config)
    assert "(MobileNetV2) has no taps 'layer', only []" in str(error.value)


def test_tower_without_transformer_layers_needs_their_form(
    ladder_config, vision_config, inputs
):
    # four stages of 8, 16, 32 and 64 channels; the last map is the tower's output
    ladder_config.backbone.vision = ConfigDict(
        type='BackboneTower',
        size=vision_config.size,
        backbone=vision_config.backbone,
    )
    with pytest.raises(ValueError, match='BackboneTower has no transformer layers'):
        MODELS.build(ladder_config)
    ladder_config.neck.vision.update(feedforward_channels=64, activation='relu')
    model = MODELS.build(ladder_config)
    widths = [down.in_features for down in model.neck.vision.taps]
    assert widths == [8, 16, 32, 64]
    assert model._forward(inputs).shape == (3, 4)


def test_width_that_the_heads_do_not_divide_is_refused(ladder_config):
    ladder_config.neck.vision.num_heads = 3
    with pytest.raises(ValueError, match='32 / 4 channels cannot have 3 attention'):
        MODELS.build(ladder_config)
