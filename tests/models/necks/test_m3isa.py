import copy
import itertools
import math

import pytest
import torch
import torch.nn.functional as F
from mmdet.registry import MODELS
from torch import nn

from m2ist_mm.structures import TowerFeatures

EXPERTS = ('vea', 'lea', 'iea')
PAPER_TAPS = dict(vea='ffn', lea='ffn', iea='attention')
SUBSETS = [
    subset for size in range(4) for subset in itertools.combinations(EXPERTS, size)
]


def make_features(channels, tokens, pairs, samples):
    def draw():
        return torch.randn(samples, tokens, channels, dtype=torch.float64)

    return TowerFeatures(
        tokens=draw(),
        mask=torch.zeros(samples, tokens, dtype=torch.bool),
        inputs=draw(),
        taps={kind: [draw() for _ in range(pairs)] for kind in ('attention', 'ffn')},
    )


def make_norms(channels, pairs):
    """LayerNorms of a tower, none of them like another."""
    norms = {
        kind: [nn.LayerNorm(channels, eps=1e-12).double() for _ in range(pairs)]
        for kind in ('attention', 'ffn')
    }
    for norm in itertools.chain(*norms.values()):
        nn.init.normal_(norm.weight, 1, 0.5)
        nn.init.normal_(norm.bias)
        norm.requires_grad_(False)
    return norms


@pytest.fixture
def make_neck(stand_in):
    """Builds side networks and features of both towers for them; all are drawn."""

    def make(pairs=2, vision=6, language=9, hidden=4, norms=None, **choices):
        towers = dict(vision=stand_in(vision), language=stand_in(language, norms=norms))
        neck = MODELS.build(
            dict(
                type='M3ISA',
                towers=towers,
                vision_layers=range(pairs),
                language_layers=range(pairs),
                hidden_channels=hidden,
                **choices,
            )
        ).double()
        for parameter in neck.parameters():
            nn.init.normal_(parameter)
        return (
            neck,
            make_features(vision, 5, pairs, samples=2),
            make_features(language, 3, pairs, samples=4),
        )

    return make


def by_the_formulas(weights, vision, language, choices, norms):
    """Both sums, from the weights by name.

    VEA, LEA: s W_up ReLU(W_down LN(m)). IEA of modality m: z = ReLU(D^m a), then
    concat[U^m z, S z]; S is the vision's own and the language's unless shared.
    """
    experts = choices.get('experts', EXPERTS)
    taps = PAPER_TAPS | choices.get('taps', {})
    scale = choices.get('scale', 0.1)

    def linear(name, x):
        return x @ weights[f'{name}.weight'].T + weights[f'{name}.bias']

    def side_adapter(name, tap):
        mean = tap.mean(-1, keepdim=True)
        variance = ((tap - mean) ** 2).mean(-1, keepdim=True)
        normed = (tap - mean) / (variance + 1e-5).sqrt()
        normed = normed * weights[f'{name}.norm.weight'] + weights[f'{name}.norm.bias']
        return scale * linear(f'{name}.up', linear(f'{name}.down', normed).clamp(min=0))

    def interaction(name, modality, tap):
        z = linear(f'{name}.{modality}_down', tap).clamp(min=0)
        own = modality == 'language' and not choices.get('share', True)
        shared = linear(f'{name}.language_shared_up' if own else f'{name}.shared_up', z)
        if f'{name}.{modality}_up.weight' not in weights:
            return shared
        return torch.cat([linear(f'{name}.{modality}_up', z), shared], dim=-1)

    sums = []
    for modality, features, expert in (
        ('vision', vision, 'vea'),
        ('language', language, 'lea'),
    ):
        total = features.tokens.clone()
        if choices.get('add_inputs', True):
            total += features.inputs
        for i in range(len(features.taps['ffn'])):
            outputs = {}
            if 'iea' in experts:
                tap = features.taps[taps['iea']][i]
                outputs['iea'] = interaction(f'iea.{i}', modality, tap)
            if expert in experts:
                tap = features.taps[taps[expert]][i]
                outputs[expert] = side_adapter(f'{expert}.{i}', tap)
            for name, output in outputs.items():
                if choices.get('side_norm') and modality == 'language':
                    norm = norms[taps[name]][i]
                    output = F.layer_norm(
                        output, output.shape[-1:], norm.weight, norm.bias, norm.eps
                    )
                total += output
        sums.append(total)
    return sums


CHOICES = [
    *(dict(experts=subset) for subset in SUBSETS),
    dict(taps=dict(vea='attention', lea='attention', iea='ffn')),
    dict(taps=dict(vea='attention', lea='attention')),
    dict(taps=dict(iea='ffn')),
    dict(taps=dict(vea='attention')),
    dict(scale=0.7),
    dict(add_inputs=False),
    dict(share=False),
    dict(vision=7, language=7),
    dict(vision=9, language=5),
    dict(vision=9, language=5, share=False),
    dict(pairs=1, hidden=3),
    dict(pairs=3),
    dict(side_norm='tower', init='uniform'),
    dict(side_norm='tower', init='uniform', taps=dict(iea='ffn', lea='attention')),
    dict(side_norm='tower', init='uniform', experts=('lea',)),
    dict(side_norm='tower', init='uniform', experts=('iea', 'vea'), vision=9),
]


@pytest.mark.parametrize('choices', CHOICES, ids=str)
def test_outputs_are_those_of_the_formulas(make_neck, choices):
    norms = make_norms(choices.get('language', 9), choices.get('pairs', 2))
    neck, vision, language = make_neck(norms=norms, **choices)
    expected = by_the_formulas(neck.state_dict(), vision, language, choices, norms)
    for output, wanted in zip(neck(vision, language), expected, strict=True):
        torch.testing.assert_close(output, wanted, rtol=0, atol=1e-10)


@pytest.mark.parametrize('experts', SUBSETS, ids=str)
def test_experts_that_are_off_have_no_parameters(make_neck, experts):
    neck, *_ = make_neck(experts=experts)
    assert {name.partition('.')[0] for name in neck.state_dict()} == set(experts)


def test_own_matrix_stands_on_the_side_of_the_wider_tower(make_neck):
    for vision, language, own in (
        (6, 9, dict(language_up=(3, 4))),
        (9, 6, dict(vision_up=(3, 4))),
        (6, 6, {}),
    ):
        iea = make_neck(vision=vision, language=language)[0].iea[0]
        assert iea.shared_up.weight.shape == (6, 4)
        found = {
            name: tuple(getattr(iea, name).weight.shape)
            for name in ('vision_up', 'language_up')
            if getattr(iea, name) is not None
        }
        assert found == own


def test_shared_channels_are_the_last_of_the_wider_tower(make_neck):
    neck, vision, language = make_neck(experts=('iea',))
    expected = neck(vision, language)
    with torch.no_grad():
        for adapter in neck.iea:
            adapter.shared_up.bias += 1
    changed = neck(vision, language)
    torch.testing.assert_close(changed[0], expected[0] + 2)
    torch.testing.assert_close(changed[1][..., :3], expected[1][..., :3])
    torch.testing.assert_close(changed[1][..., 3:], expected[1][..., 3:] + 2)


@pytest.mark.parametrize('share', [True, False])
def test_shared_matrix_gets_the_gradients_of_both_modalities(make_neck, share):
    neck, vision, language = make_neck(share=share)
    weight = neck.iea[1].shared_up.weight
    outputs = neck(vision, language)
    alone = [
        torch.autograd.grad(
            output.square().sum(), weight, retain_graph=True, allow_unused=True
        )[0]
        for output in outputs
    ]
    (both,) = torch.autograd.grad(sum(x.square().sum() for x in outputs), weight)
    if share:
        torch.testing.assert_close(both, alone[0] + alone[1])
        assert alone[1].any()
    else:
        assert alone[1] is None
        torch.testing.assert_close(both, alone[0])
        assert neck.iea[1].language_shared_up.weight.shape == weight.shape


@pytest.fixture
def paper_neck(stand_in):
    """Builds two pairs on towers of some widths, as they start."""

    def build(vision=32, language=48, **choices):
        return MODELS.build(
            dict(
                type='M3ISA',
                towers=dict(vision=stand_in(vision), language=stand_in(language)),
                vision_layers=[0, 1],
                language_layers=[0, 1],
                **choices,
            )
        )

    return build


def test_every_output_is_zero_at_the_start(paper_neck):
    neck = paper_neck(hidden_channels=8)
    vision = make_features(32, 5, 2, samples=2)
    language = make_features(48, 3, 2, samples=4)
    neck.double()
    outputs = neck.vision_side(vision) + neck.language_side(language)
    assert len(outputs) == 8
    assert not any(output.any() for output in outputs)
    totals = neck(vision, language)
    for total, features in zip(totals, (vision, language), strict=True):
        assert torch.equal(total, features.tokens + features.inputs)


def test_first_tokens_are_outputs_plus_inputs_of_the_towers(model_config, inputs):
    model = MODELS.build(model_config).train()
    backbone, neck = model.backbone, model.neck
    features = backbone(
        *(inputs[k] for k in ('images', 'padding_mask', 'input_ids', 'attention_mask'))
    )
    for total, tower in zip(neck(*features), features, strict=True):
        assert len(tower.taps['ffn']) == len(tower.taps['attention']) == 2
        assert torch.equal(total, tower.tokens + tower.inputs)


def test_taps_of_own_width_and_grid(stand_in):
    """A coarser map for the IEA, another width for the VEA and the LEA."""
    towers = dict(
        vision=stand_in(6, grid=(4, 3), tap_widths=dict(attention=5, ffn=7)),
        language=stand_in(9, tap_widths=dict(ffn=4)),
    )
    neck = MODELS.build(
        dict(
            type='M3ISA',
            towers=towers,
            vision_layers=[0],
            language_layers=[0],
            hidden_channels=3,
        )
    ).double()
    for parameter in neck.parameters():
        nn.init.normal_(parameter)
    vision = make_features(6, 12, 1, samples=2).replace(grid=(4, 3))
    language = make_features(9, 3, 1, samples=4)
    coarse = torch.randn(2, 5, 2, 2, dtype=torch.float64)
    wide = torch.randn(2, 12, 7, dtype=torch.float64)
    narrow = torch.randn(4, 3, 4, dtype=torch.float64)
    vision.taps = dict(attention=[coarse], ffn=[wide])
    language.taps['ffn'] = [narrow]
    w = neck.state_dict()

    def linear(name, x):
        return x @ w[f'{name}.weight'].T + w[f'{name}.bias']

    def side_adapter(name, tap):
        norm = w[f'{name}.norm.weight'], w[f'{name}.norm.bias']
        x = F.layer_norm(tap, tap.shape[-1:], *norm)
        return 0.1 * linear(f'{name}.up', linear(f'{name}.down', x).relu())

    # the hidden map of the coarser tap is resampled, and no other
    hidden = linear('iea.0.vision_down', coarse.permute(0, 2, 3, 1)).relu()
    hidden = F.interpolate(hidden.permute(0, 3, 1, 2), (4, 3), mode='bilinear')
    hidden = hidden.flatten(2).transpose(1, 2)
    total = vision.tokens + vision.inputs + linear('iea.0.shared_up', hidden)
    torch.testing.assert_close(neck.vision(vision), total + side_adapter('vea.0', wide))

    z = linear('iea.0.language_down', language.taps['attention'][0]).relu()
    z = torch.cat([linear('iea.0.language_up', z), linear('iea.0.shared_up', z)], -1)
    total = language.tokens + language.inputs + z + side_adapter('lea.0', narrow)
    torch.testing.assert_close(neck.language(language), total)


@pytest.mark.parametrize('init', ['zero', 'uniform'])
def test_initial_draw(paper_neck, init):
    neck = paper_neck(256, 768, init=init)
    seen = set()
    for name, value in neck.state_dict().items():
        *_, module, kind = name.split('.')
        seen.add(module)
        if module == 'norm':
            assert (value == (kind == 'weight')).all(), name
        elif kind == 'weight' and (init == 'uniform' or module.endswith('down')):
            # Kaiming-uniform with a = √5: bound 1 / √(fan in)
            bound = 1 / math.sqrt(value.shape[1])
            assert 0.99 * bound < value.abs().max() <= bound, name
        elif init == 'zero':
            assert not value.any(), name
        else:
            assert 0 <= value.min() < 0.1, name
            assert 0.9 < value.max() < 1, name
    assert seen == {
        'norm', 'down', 'up', 'vision_down', 'language_down', 'shared_up', 'language_up'
    }  # fmt: skip


def test_init_weights_draws_anew(paper_neck):
    neck = paper_neck(hidden_channels=8)
    before = neck.state_dict()['vea.0.down.weight'].clone()
    nn.init.ones_(neck.vea[0].up.weight)
    neck.init_weights()
    assert not neck.vea[0].up.weight.any()
    assert not torch.equal(neck.vea[0].down.weight, before)


def first_gradients(model, inputs):
    """The largest number of each tuned tensor's gradient, in parts of the largest that
    the head's projections have, which the side networks stand in front of.

    Ordinary is up to 10. A LayerNorm at a zero vector gives 1e5.
    """
    model.zero_grad()
    boxes = model._forward(inputs)
    (boxes - torch.tensor([0.2, 0.7, 0.1, 0.3])).abs().sum(1).mean().backward()
    gradients = {
        name: parameter.grad.abs().max().item()
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
    }
    assert all(math.isfinite(value) for value in gradients.values())
    unit = max(
        gradients[f'bbox_head.{side}_proj.weight'] for side in ('vision', 'language')
    )
    assert 1e-3 < unit < 10
    return {
        name: value / unit
        for name, value in gradients.items()
        if name.startswith('neck.')
    }


def build_to_train(model_config, **neck):
    model_config.neck.update(neck)
    torch.manual_seed(3)
    model = MODELS.build(model_config)
    model.init_weights()
    return model.train()


def test_first_gradients_of_the_plain_form_are_ordinary(model_config, inputs):
    model = build_to_train(model_config)
    gradients = first_gradients(model, inputs)
    assert len(gradients) == 2 * (6 + 6 + 8)
    for name, value in gradients.items():
        # from zero, only the up projections can move in the first step
        assert (1e-4 < value < 10) if 'up.' in name else value == 0, name
    torch.optim.SGD(model.parameters(), lr=0.1).step()
    assert all(0 < value < 10 for value in first_gradients(model, inputs).values())


def test_first_gradients_of_the_reference_form_are_ordinary(model_config, inputs):
    model = build_to_train(model_config, side_norm='tower', init='uniform')
    gradients = first_gradients(model, inputs)
    assert len(gradients) == 2 * (6 + 6 + 8)
    assert all(1e-4 < value < 10 for value in gradients.values())


def test_reference_form_from_zero_would_not_be_trainable(model_config, inputs):
    model = build_to_train(model_config, side_norm='tower', init='uniform')
    for name, parameter in model.neck.named_parameters():
        if 'up.' in name:
            nn.init.zeros_(parameter)
    gradients = first_gradients(model, inputs)
    assert gradients['neck.lea.0.up.weight'] > 1000
    assert gradients['neck.iea.0.shared_up.weight'] > 1000


@pytest.mark.parametrize(
    ('choices', 'text'),
    [
        (dict(experts=('vea', 'mea')), r"experts has \['mea'\], known are \('vea'"),
        (dict(taps=dict(mea='ffn')), r"taps has \['mea'\]"),
        (dict(side_norm='own', init='uniform'), r"side_norm has \['own'\]"),
        (dict(init='normal'), r"init has \['normal'\], known are \('zero'"),
        (dict(side_norm='tower'), "side_norm='tower' .* zero .* init='uniform'"),
        (dict(hidden=0), 'hidden_channels=0 is not positive'),
        (dict(experts=('vea', 'vea')), 'experts name one twice'),
        (dict(scale=float('nan')), 'scale=nan is not finite'),
        (dict(pairs=0), 'vision_layers and language_layers are empty'),
    ],
)
def test_unknown_choices_are_refused(make_neck, choices, text):
    with pytest.raises(ValueError, match=f'M3ISA: {text}'):
        make_neck(**choices)


def test_every_layer_has_a_partner(model_config):
    model_config.neck.language_layers = [0]
    with pytest.raises(ValueError, match='vision_layers has 2, language_layers has 1'):
        MODELS.build(model_config)


def test_a_pair_is_named_once(model_config):
    model_config.neck.update(vision_layers=[1, 1], language_layers=[0, 1])
    MODELS.build(model_config)  # a layer with two partners
    model_config.neck.update(language_layers=[0, 0])
    with pytest.raises(ValueError, match=r'layers name one twice: \[\(1, 0\)'):
        MODELS.build(model_config)


def test_towers_are_asked_for_the_taps_that_are_read(stand_in):
    towers = dict(vision=stand_in(6), language=stand_in(9))
    MODELS.build(
        dict(
            type='M3ISA',
            towers=towers,
            vision_layers=[4, 0],
            language_layers=[2, 3],
            experts=('vea', 'lea'),
            taps=dict(lea='attention'),
        )
    )
    assert towers['vision'].wanted == dict(ffn=[4, 0])
    assert towers['language'].wanted == dict(attention=[2, 3])


def test_missing_taps_are_named(model_config):
    model_config.neck.taps = dict(vea='norm')
    with pytest.raises(ValueError) as error:
        MODELS.build(model_config)
    assert str(error.value) == (
        "DETREncoderTower (detr_encoder) has no taps 'norm', only "
        "['attention', 'ffn', 'layer']: name its modules in the tower's config, "
        "taps=dict(norm='NAME.{i}.NAME')"
    )


def test_layer_that_is_not_there_fails_when_the_model_is_built(model_config):
    model_config.neck.language_layers = [0, 2]
    with pytest.raises(ValueError, match=r'encoder\.layer\.2\.'):
        MODELS.build(model_config)


def test_missing_norms_are_named(model_config):
    model_config.neck.update(side_norm='tower', init='uniform')
    model_config.backbone.language.update(
        arch=dict(model_type='clip_text_model', max_position_embeddings=10)
    )
    with pytest.raises(ValueError) as error:
        MODELS.build(model_config)
    text = str(error.value)
    assert "(clip_text_model) has no norms 'attention', only []" in text
    assert "norms=dict(attention='NAME.{i}.NAME')" in text


def test_norms_are_those_of_the_chosen_language_layers(model_config):
    model_config.neck.update(
        side_norm='tower', init='uniform', vision_layers=[0], language_layers=[1]
    )
    model = MODELS.build(model_config)
    layer = model.backbone.language.model.encoder.layer[1]
    assert model.neck._norms['iea'] == (layer.attention.output.LayerNorm,)
    assert model.neck._norms['lea'] == (layer.output.LayerNorm,)
    # they are the tower's, and stay out of the side network's own weights
    assert 'LayerNorm' not in ' '.join(model.neck.state_dict())
    twin = copy.deepcopy(model)
    assert twin.neck._norms['lea'][0] is (
        twin.backbone.language.model.encoder.layer[1].output.LayerNorm
    )


@pytest.mark.parametrize('add_inputs', [True, False])
def test_features_themselves_are_left_as_they_are(make_neck, add_inputs):
    neck, vision, language = make_neck(add_inputs=add_inputs)
    copies = [(side.tokens.clone(), side.inputs.clone()) for side in (vision, language)]
    neck(vision, language)
    for side, (tokens, inputs) in zip((vision, language), copies, strict=True):
        assert torch.equal(side.tokens, tokens)
        assert torch.equal(side.inputs, inputs)
