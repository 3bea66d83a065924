"""Each method's outputs against its formula, on DETR's and BERT's layers."""

import copy

import pytest
import torch
import torch.nn.functional as F
from mmdet.registry import MODELS


def vision_by_hand(tower, images, mask, change):
    """DETR encoder with ``change(layer, kind, output, x)`` on its sublayers."""
    features = tower(images, mask)
    x = features.inputs
    size = mask.shape[-2] // 32, mask.shape[-1] // 32
    position = tower.positional_encoding(features.mask.unflatten(1, size))
    position = position.flatten(2).transpose(1, 2)
    for i, layer in enumerate(tower.encoder.layers):
        query, value = (x + position).transpose(0, 1), x.transpose(0, 1)
        a, _ = layer.self_attn.attn(query, query, value, features.mask)
        a = a.transpose(0, 1)
        x = layer.norms[0](x + change(i, 'attention', a, x))
        x = layer.norms[1](x + change(i, 'ffn', layer.ffn.layers(x), x))
    return x


def language_by_hand(tower, input_ids, attention_mask, change):
    """BERT with ``change(layer, kind, output, x)`` on its sublayers."""
    x = tower(input_ids, attention_mask).inputs
    for i, layer in enumerate(tower.model.encoder.layer):
        own, out = layer.attention.self, layer.attention.output
        heads = [
            projection(x).unflatten(-1, (own.num_attention_heads, -1)).transpose(1, 2)
            for projection in (own.query, own.key, own.value)
        ]
        seen = attention_mask.bool()[:, None, None]
        a = F.scaled_dot_product_attention(*heads, attn_mask=seen)
        a = out.dense(a.transpose(1, 2).flatten(2))
        x = out.LayerNorm(x + change(i, 'attention', a, x))
        y = layer.output.dense(F.gelu(layer.intermediate.dense(x)))
        x = layer.output.LayerNorm(x + change(i, 'ffn', y, x))
    return x


def linear(w, name, x):
    return F.linear(x, w[f'{name}.weight'], w.get(f'{name}.bias'))


def bottleneck(w, name, x):
    return linear(w, f'{name}.up', linear(w, f'{name}.down', x).relu())


def interaction(w, name, tower, x):
    z = linear(w, f'{name}.{tower}_down', x).relu()
    shared = linear(w, f'{name}.shared_up', z)
    if tower == 'vision':
        return shared
    return torch.cat([linear(w, f'{name}.language_up', z), shared], dim=-1)


def adapter(w, tower, i, kind, output, x):
    return output + bottleneck(w, f'{tower}_{kind}.{i}', output)


def adaptformer(w, tower, i, kind, output, x):
    if kind == 'attention':
        return output
    return output + 0.1 * bottleneck(w, f'{tower}.{i}', x)


def cm_adapter(w, tower, i, kind, output, x):
    if i > 1:  # pairs end with the vision tower
        return output
    return output + interaction(w, f'{kind}.{i}', tower, output)


def mrs_adapter(w, tower, i, kind, output, x):
    if i > 1 or kind == 'attention':
        return output
    name = f'pairs.{i}'
    z = linear(w, f'{name}.{tower}_down', output).relu()
    z = linear(w, f'{name}.inner', z).relu()
    gate = w[f'{name}.{tower}_gate'].sigmoid()
    return output + gate * linear(w, f'{name}.{tower}_up', z)


def uniadapter(w, tower, i, kind, output, x):
    if i > 1 or kind == 'ffn':
        return output
    name = f'pairs.{i}'
    shared = linear(w, f'{name}.shared_down', output[..., -32:])
    if tower == 'language':
        shared = shared + linear(w, f'{name}.own_down', output[..., :16])
    return output + linear(w, f'{name}.{tower}_up', shared.relu())


def dara(w, tower, i, kind, output, x):
    if i > 1:
        return output
    if kind == 'ffn':
        return output + interaction(w, f'relation.{i}', tower, x)
    name = f'{tower}_domain.{i}'
    norm = w[f'{name}.norm.weight'], w[f'{name}.norm.bias']
    normed = F.layer_norm(output, output.shape[-1:], *norm)
    return output + 0.1 * bottleneck(w, name, normed)


METHODS = [
    (adapter, dict(type='AdapterTuner', hidden_channels=8)),
    (adaptformer, dict(type='AdaptFormerTuner', hidden_channels=8)),
    (cm_adapter, dict(type='CMAdapterTuner', hidden_channels=8)),
    (mrs_adapter, dict(type='MRSAdapterTuner', hidden_channels=8)),
    (uniadapter, dict(type='UniAdapterTuner', hidden_channels=8)),
    (dara, dict(type='DARATuner', domain_channels=4, relation_channels=8)),
]


@torch.no_grad()
@pytest.mark.parametrize(
    ('formula', 'tuner'), METHODS, ids=[formula.__name__ for formula, _ in METHODS]
)
def test_adapters_are_those_of_the_formulas(
    make_model, tuned_config, images, texts, formula, tuner
):
    backbone = make_model(tuned_config(tuner)).eval().backbone
    w = backbone.tuner.state_dict()
    for value in w.values():
        value.normal_(0, 0.3)
    for tower, by_hand, inputs in (
        ('vision', vision_by_hand, images),
        ('language', language_by_hand, texts),
    ):
        features = backbone.towers[tower].encode(*inputs)

        def change(*args, tower=tower):
            return formula(w, tower, *args)

        wanted = by_hand(backbone.towers[tower], *inputs, change)
        bare = backbone.towers[tower](*inputs).tokens
        kept = ~features.mask
        assert (features.tokens - bare)[kept].abs().max() > 0.01
        torch.testing.assert_close(
            features.tokens[kept], wanted[kept], rtol=0, atol=2e-5
        )


@torch.no_grad()
def test_taps_read_what_the_tuner_has_changed(make_model, tuned_config, images):
    config = tuned_config(dict(type='AdapterTuner'))
    backbone = make_model(config).eval().backbone
    backbone.vision.tap(dict(attention=[0], ffn=[0]))
    features = backbone.vision.encode(*images)
    outputs = {}

    def record(i, kind, output, x):
        w = backbone.tuner.state_dict()
        return outputs.setdefault((i, kind), adapter(w, 'vision', i, kind, output, x))

    vision_by_hand(backbone.vision, *images, record)
    for kind in ('attention', 'ffn'):
        torch.testing.assert_close(
            features.taps[kind][0], outputs[0, kind], rtol=0, atol=2e-5
        )


@torch.no_grad()
def test_lora_is_the_tower_with_updated_matrices(
    make_model, tuned_config, images, texts
):
    config = tuned_config(dict(type='LoRATuner', rank=4, alpha=8))
    backbone = make_model(copy.deepcopy(config)).eval().backbone
    state = backbone.state_dict()
    config.backbone.tuner = None
    bare = MODELS.build(config).eval().backbone
    for name, tower in bare.towers.items():
        tuned = backbone.towers[name]
        own, renamed = tuned.state_dict(), tuned.renamed_state_keys()
        tower.load_state_dict(
            {key: own[renamed.get(key, key)] for key in tower.state_dict()}
        )
    for i, layer in enumerate(bare.vision.encoder.layers):
        name = f'vision.encoder.layers.{i}.self_attn.attn.parametrizations'
        for row, part in ((0, 'query'), (64, 'value')):
            a, b = (
                state[f'{name}.in_proj_weight.0.lora_{side}.{part}'] for side in 'AB'
            )
            layer.self_attn.attn.in_proj_weight[row : row + 32] += 2 * b @ a
    for i, layer in enumerate(bare.language.model.encoder.layer):
        for part in ('query', 'value'):
            name = f'language.model.encoder.layer.{i}.attention.self.{part}'
            a, b = (state[f'{name}.lora_{side}.default.weight'] for side in 'AB')
            getattr(layer.attention.self, part).weight += 2 * b @ a
    for side, inputs in (('vision', images), ('language', texts)):
        value = backbone.towers[side].encode(*inputs)
        wanted = bare.towers[side].encode(*inputs)
        kept = ~wanted.mask
        torch.testing.assert_close(
            value.tokens[kept], wanted.tokens[kept], rtol=0, atol=1e-5
        )


def test_lora_updates_any_target_by_pattern(tuned_config, images, texts):
    config = tuned_config(dict(type='LoRATuner', rank=2, targets=('hidden', 'key')))
    config.backbone.vision.sites = dict(
        hidden='encoder.layers.{i}.ffn.layers.0.0',
        key='encoder.layers.{i}.self_attn.attn',
    )
    config.backbone.language.sites = dict(
        hidden='model.encoder.layer.{i}.intermediate.dense',
        key='model.encoder.layer.{i}.attention.self.key',
    )
    backbone = MODELS.build(config).backbone
    updated = {name for name in backbone.state_dict() if 'lora_A' in name}
    attention = 'self_attn.attn.parametrizations.in_proj_weight.0.lora_A.key'
    assert updated == {
        *(f'vision.encoder.layers.{i}.{attention}' for i in range(2)),
        *(
            f'vision.encoder.layers.{i}.ffn.layers.0.0.lora_A.default.weight'
            for i in range(2)
        ),
        *(
            f'language.model.encoder.layer.{i}.{name}.lora_A.default.weight'
            for i in range(3)
            for name in ('intermediate.dense', 'attention.self.key')
        ),
    }
    backbone(*images, *texts)


def test_lora_target_in_packed_attention_must_say_which_part(tuned_config):
    config = tuned_config(dict(type='LoRATuner', targets=('attn',)))
    config.backbone.vision.sites = dict(attn='encoder.layers.{i}.self_attn.attn')
    config.backbone.language.sites = dict(
        attn='model.encoder.layer.{i}.intermediate.dense'
    )
    with pytest.raises(ValueError, match=r"\['attn'\] of the vision tower.* one of"):
        MODELS.build(config)


@torch.no_grad()
def test_prompts_stand_before_the_text_and_are_taken_away(
    make_model, tuned_config, texts
):
    config = tuned_config(dict(type='PromptTuner', num_tokens=3))
    backbone = make_model(config).eval().backbone
    backbone.language.tap(dict(ffn=[0, 2]))
    ids, mask = texts
    features = backbone.language.encode(ids, mask)
    model = backbone.language.model
    words = model.embeddings.word_embeddings(ids)
    prompts = backbone.tuner.prompts
    output = model(
        inputs_embeds=torch.cat([prompts.expand(3, -1, -1), words], dim=1),
        attention_mask=torch.cat([torch.ones(3, 3), mask], dim=1),
        output_hidden_states=True,
    )
    torch.testing.assert_close(features.tokens, output.last_hidden_state[:, 3:])
    torch.testing.assert_close(features.inputs, output.hidden_states[0][:, 3:])
    assert torch.equal(features.mask, mask == 0)
    assert [tap.shape for tap in features.taps['ffn']] == [(3, 6, 48)] * 2


def test_prompts_start_as_embeddings_of_the_vocabulary(tuned_config):
    backbone = MODELS.build(tuned_config(dict(type='PromptTuner'))).backbone
    table = backbone.language.model.embeddings.word_embeddings.weight
    assert backbone.tuner.prompts.shape == (20, 48)
    same = (backbone.tuner.prompts[:, None] == table).all(-1)
    assert same.any(1).all()
    assert same.any(0).sum() > 5


@torch.no_grad()
def test_prompts_leave_the_vision_tower_alone(make_model, tuned_config, images):
    backbone = make_model(tuned_config(dict(type='PromptTuner'))).eval().backbone
    value = backbone.vision.encode(*images)
    assert torch.equal(value.tokens, backbone.vision(*images).tokens)
