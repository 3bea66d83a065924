import copy
import math
import pickle

import pytest
import torch
import torch.nn.functional as F
from mmdet.registry import MODELS
from torch import nn

from m2ist_mm.models.towers import record_taps, resolve_modules

CLOSE = dict(rtol=1e-4, atol=1e-5)


class Split(nn.Module):
    """Returns a tuple, as attention modules do."""

    def forward(self, x):
        return x + 1, x - 1


class Toy(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(
            nn.ModuleDict(dict(split=Split(), scale=nn.Linear(2, 2))) for _ in range(3)
        )
        self.fails = False

    def forward(self, x):
        for layer in self.layers:
            x = layer['scale'](layer['split'](x)[0])
        if self.fails:
            raise RuntimeError('out of memory')
        return x


def hook_count(module):
    return sum(len(one._forward_hooks) for one in module.modules())


def attend(query, key, value, heads, mask):
    """Scaled dot-product attention over heads, written out; mask true = padding."""
    query, key, value = (
        x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (query, key, value)
    )
    scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
    weights = scores.masked_fill(mask[:, None, None], -math.inf).softmax(-1)
    return (weights @ value).transpose(1, 2).flatten(2)


def detr_layer(layer, x, position, mask):
    """Post-norm DETR layer: (attention before residual, FFN before residual, output)"""
    w_query, w_key, w_value = layer.self_attn.attn.in_proj_weight.chunk(3)
    b_query, b_key, b_value = layer.self_attn.attn.in_proj_bias.chunk(3)
    mixed = attend(
        F.linear(x + position, w_query, b_query),
        F.linear(x + position, w_key, b_key),
        F.linear(x, w_value, b_value),
        layer.self_attn.num_heads,
        mask,
    )
    out = layer.self_attn.attn.out_proj
    attention = F.linear(mixed, out.weight, out.bias)
    x = layer.norms[0](x + attention)
    first, second = layer.ffn.layers[0][0], layer.ffn.layers[1]
    hidden = F.linear(x, first.weight, first.bias).clamp(min=0)
    ffn = F.linear(hidden, second.weight, second.bias)
    return attention, ffn, layer.norms[1](x + ffn)


def bert_layer(layer, x, heads, mask):
    """BERT layer: (attention after residual and norm, FFN before residual, output)."""
    own = layer.attention.self
    mixed = attend(own.query(x), own.key(x), own.value(x), heads, mask)
    out = layer.attention.output
    attention = out.LayerNorm(out.dense(mixed) + x)
    hidden = layer.intermediate.dense(attention)
    hidden = hidden * (1 + torch.erf(hidden / math.sqrt(2))) / 2
    ffn = layer.output.dense(hidden)
    return attention, ffn, layer.output.LayerNorm(ffn + attention)


@torch.no_grad()
def test_vision_taps_are_the_sublayers_outputs_before_residual(
    make_model, vision_config, images
):
    tower = make_model(vision_config).eval()
    tower.tap(dict(attention=[0, 1], ffn=[0, 1], layer=[0, 1]))
    features = tower.encode(*images)
    taps, mask = features.taps, features.mask
    position = tower.positional_encoding(mask.unflatten(1, (4, 3)))
    position = position.flatten(2).transpose(1, 2)
    x = features.inputs
    for i, layer in enumerate(tower.encoder.layers):
        attention, ffn, x = detr_layer(layer, x, position, mask)
        torch.testing.assert_close(taps['attention'][i], attention, **CLOSE)
        torch.testing.assert_close(taps['ffn'][i], ffn, **CLOSE)
        torch.testing.assert_close(taps['layer'][i], x, **CLOSE)
    torch.testing.assert_close(features.tokens, x, **CLOSE)


@torch.no_grad()
def test_language_taps_are_attention_after_norm_and_second_dense_before_residual(
    make_model, language_config, texts
):
    tower = make_model(language_config).eval()
    tower.tap(dict(attention=[0, 1], ffn=[0, 1], layer=[0, 1]))
    features = tower.encode(*texts)
    taps, x = features.taps, features.inputs
    for i, layer in enumerate(tower.model.encoder.layer):
        attention, ffn, x = bert_layer(layer, x, 4, texts[1] == 0)
        torch.testing.assert_close(taps['attention'][i], attention, **CLOSE)
        torch.testing.assert_close(taps['ffn'][i], ffn, **CLOSE)
        torch.testing.assert_close(taps['layer'][i], x, **CLOSE)
    torch.testing.assert_close(features.tokens, x, **CLOSE)


def record(toy, layers, kind='scale'):
    modules = resolve_modules(toy, f'layers.{{i}}.{kind}', layers)
    return record_taps({kind: modules})


def test_taps_come_in_the_order_of_the_layer_numbers():
    toy, x = Toy(), torch.randn(4, 2)
    with record(toy, [2, 0]) as taps:
        toy(x)
    first = toy.layers[0]['scale'](x + 1)
    torch.testing.assert_close(taps['scale'][1], first)
    second = toy.layers[1]['scale'](first + 1)
    torch.testing.assert_close(taps['scale'][0], toy.layers[2]['scale'](second + 1))


def test_first_element_of_a_tuple_is_taken():
    toy, x = Toy(), torch.randn(4, 2)
    with record(toy, [0], 'split') as taps:
        toy(x)
    torch.testing.assert_close(taps['split'][0], x + 1)


def test_layer_may_be_tapped_twice():
    toy, x = Toy(), torch.randn(4, 2)
    with record(toy, [1, 1, 0]) as taps:
        toy(x)
    assert torch.equal(taps['scale'][0], taps['scale'][1])
    assert not torch.equal(taps['scale'][0], taps['scale'][2])


def test_hooks_are_gone_after_the_context():
    toy = Toy()
    with record(toy, [0, 1]):
        assert hook_count(toy) == 2
        toy(torch.zeros(1, 2))
    assert hook_count(toy) == 0


def test_hooks_are_gone_after_an_exception_of_the_tower():
    toy = Toy()
    toy.fails = True
    with pytest.raises(RuntimeError, match='out of memory'):
        with record(toy, [0, 1]):
            toy(torch.zeros(1, 2))
    assert hook_count(toy) == 0


def test_module_that_was_passed_by_is_told():
    toy = Toy()
    with (
        pytest.raises(ValueError, match="modules of tap 'any' did not run"),
        record_taps(dict(any=resolve_modules(toy, 'layers.{i}', [0]))),
    ):
        toy(torch.zeros(1, 2))
    assert hook_count(toy) == 0


def test_no_hook_stays_when_a_later_module_takes_none():
    toy = Toy()
    modules = dict(scale=[toy.layers[0]['scale']], other=[None])
    with pytest.raises(AttributeError):
        with record_taps(modules):
            pass
    assert hook_count(toy) == 0


def test_tapped_tower_copies_pickles_and_saves_as_the_bare_tower(vision_config, images):
    tower = MODELS.build(vision_config).eval()
    names = list(tower.state_dict())
    bare = tower(*images).tokens
    tower.tap(dict(attention=[0, 1], ffn=[0, 1]))
    tower.encode(*images)
    assert list(tower.state_dict()) == names
    twin = copy.deepcopy(tower)
    assert hook_count(twin) == 0
    assert torch.equal(twin(*images).tokens, bare)
    pickle.dumps(tower)  # a hook's closure could not be pickled


@pytest.mark.parametrize(
    ('pattern', 'layers', 'name'),
    [
        ('encoder.{i}.scale', [0], 'encoder.0.scale'),
        ('layers.{i}.scale', [0, 3], 'layers.3.scale'),
        ('layers.0.scale', [0, 1], 'layers.0.scale (layer 1)'),
    ],
)
def test_pattern_that_names_nothing_fails_with_the_nearest_names(pattern, layers, name):
    with pytest.raises(ValueError) as error:
        resolve_modules(Toy(), pattern, layers)
    text = str(error.value)
    assert f'Toy has no module {name!r} (pattern {pattern!r})' in text
    *_, near = text.partition('the nearest names are ')
    assert set(near.split(', ')) == {f'layers.{i}.scale' for i in range(3)}
    assert '\n' not in text


def test_first_of_several_patterns_that_is_there_is_taken():
    toy = Toy()
    both = ['layers.{i}.scale', 'layers.{i}.split']
    assert resolve_modules(toy, both, [1]) == [toy.layers[1]['scale']]
    assert resolve_modules(toy, both[::-1], [1]) == [toy.layers[1]['split']]
    # one name for all layers
    del toy.layers[2]['scale']
    found = resolve_modules(toy, both, [1, 2])
    assert found == [toy.layers[1]['split'], toy.layers[2]['split']]


def test_several_patterns_that_name_nothing_are_all_told():
    with pytest.raises(ValueError) as error:
        resolve_modules(Toy(), ['layers.{i}.a', 'blocks.{i}.b'], [2])
    assert str(error.value).startswith(
        "Toy has no module 'layers.2.a', nor 'blocks.2.b' "
        "(pattern ['layers.{i}.a', 'blocks.{i}.b']). Correct"
    )


def test_without_numbers_all_layers_are_found():
    toy = Toy()
    found = resolve_modules(toy, 'layers.{i}.scale')
    assert found == [layer['scale'] for layer in toy.layers]
    with pytest.raises(ValueError, match="no module 'blocks.0'"):
        resolve_modules(toy, 'blocks.{i}')


def test_a_list_in_the_list_names_the_module_of_each_layer():
    toy = Toy()
    names = ['layers.2.scale', 'layers.0.split']
    assert resolve_modules(toy, [names]) == [
        toy.layers[2]['scale'],
        toy.layers[0]['split'],
    ]
    assert resolve_modules(toy, [names], [1]) == [toy.layers[0]['split']]
    for number in (2, -1):
        with pytest.raises(ValueError, match=f"no module 'layer {number}'"):
            resolve_modules(toy, [names], [number])
