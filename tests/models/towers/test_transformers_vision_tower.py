from pathlib import Path

import pytest
import torch
from mmdet.registry import MODELS
from mmengine import Config, ConfigDict
from transformers import AutoConfig, AutoModel

BASE_CONFIGS = Path(__file__).parents[3] / 'configs' / '_base_' / 'models'
# arguments of a tiny model, the config that names it, its final norm
KINDS = dict(
    dinov2=(dict(image_size=32), 'm2ist_vitb', 'layernorm'),
    dinov2_with_registers=(
        dict(image_size=32, num_register_tokens=3),
        'm2ist_vitb',
        'layernorm',
    ),
    vit=(dict(image_size=32), 'm2ist_vitb-16', 'layernorm'),
    clip_vision_model=(dict(image_size=32), 'm2ist_vitb-clip', None),
    siglip_vision_model=(dict(image_size=32), 'm2ist_vitb-siglip', 'post_layernorm'),
)
PREFIX = dict(dinov2=1, dinov2_with_registers=4, vit=1, clip_vision_model=1)


def test_every_config_is_of_a_kind_that_is_tested():
    for kind, (_, name, _) in KINDS.items():
        config = Config.fromfile(BASE_CONFIGS / f'{name}.py')
        assert kind.startswith(config.model.backbone.vision.arch.model_type)


def tapped(tower, layers, *inputs):
    tower.tap(dict(attention=layers, ffn=layers))
    return tower.encode(*inputs)


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def config(kind):
    return ConfigDict(
        type='TransformersVisionTower',
        size=(128, 96),
        weights=None,
        arch=dict(
            model_type=kind,
            patch_size=16,
            hidden_size=32,
            num_hidden_layers=3,
            num_attention_heads=4,
            intermediate_size=64,
            **KINDS[kind][0],
        ),
    )


@pytest.fixture
def tower(make_model, config):
    return make_model(config).eval()


def module_named(tower, name):
    """A module of the bare model, wherever the version of transformers has it."""
    return next(m for n, m in tower.named_modules() if n.rpartition('.')[2] == name)


@torch.no_grad()
def test_tokens_are_the_bare_models_without_class_and_registers(tower, kind, images):
    features = tower(*images)  # 128 x 96: not square, not the size of pre-training
    known = {} if 'dinov2' in kind else dict(interpolate_pos_encoding=True)
    bare = tower.model(pixel_values=images[0], **known).last_hidden_state
    prefix = PREFIX.get(kind, 0)
    assert bare.shape == (2, prefix + 48, 32)
    assert torch.equal(features.tokens, bare[:, prefix:])
    assert features.inputs.shape == (2, 48, 32)
    assert features.taps == {}
    assert tower.embed_dims == 32


@torch.no_grad()
def test_taps_are_what_each_sublayer_adds_to_the_residual(tower, kind, images):
    features = tapped(tower, [0, 1, 2], *images)
    taps = features.taps
    x = features.inputs + sum(taps['attention'] + taps['ffn'])
    if KINDS[kind][2] is not None:
        x = module_named(tower, KINDS[kind][2])(x)
    torch.testing.assert_close(x, features.tokens, rtol=1e-4, atol=1e-5)
    # attention changes with the other tokens, the FFN of a token with itself alone
    assert not torch.allclose(taps['attention'][0], taps['ffn'][0])


@torch.no_grad()
def test_taps_of_attention_and_ffn_are_not_exchanged(tower, images):
    before = tapped(tower, [0], *images).taps
    changed = images[0].clone()
    changed[:, :, :16, :16] += 1
    after = tapped(tower, [0], changed, images[1]).taps
    # switched off, the first attention tells the FFN nothing of other patches
    differs = (after['attention'][0] - before['attention'][0]).abs().amax(-1)
    assert (differs[:, 1:] > 0).all()
    parameters = dict(tower.named_parameters())
    for name, value in parameters.items():
        if any(part in name for part in ('o_proj', 'out_proj', 'attention.output')):
            value.zero_()
        if 'layer_scale1' in name:
            value.zero_()
    before = tapped(tower, [0], *images).taps
    after = tapped(tower, [0], changed, images[1]).taps
    assert not before['attention'][0].any()
    differs = (after['ffn'][0] - before['ffn'][0]).abs().amax(-1)
    assert (differs[:, 0] > 0).all()
    assert not differs[:, 1:].any()


@torch.no_grad()
def test_tokens_are_patches_row_by_row(tower, images):
    before = tower(*images).inputs
    changed = images[0].clone()
    changed[:, :, 2 * 16 + 5, 3 * 16 + 7] += 1
    differs = (tower(changed, images[1]).inputs - before).abs().amax(-1)
    assert differs.nonzero()[:, 1].tolist() == 2 * [2 * 6 + 3]


@torch.no_grad()
def test_position_embedding_is_interpolated_over_rows_and_columns(tower, kind):
    # one more with each of its 2 columns, the same in its 2 rows
    position = next(
        value for name, value in tower.named_parameters() if 'position_emb' in name
    )
    grid = position.view(-1, 32)[-4:]
    assert len(position.view(-1, 32)) == 4 + (kind != 'siglip_vision_model')
    grid.copy_(torch.randn(32).expand(4, 32))
    grid[:, 0] = torch.tensor([0.0, 1.0, 0.0, 1.0])
    images = torch.zeros(1, 3, 64, 96)
    tokens = tower(images, torch.zeros(1, 64, 96, dtype=torch.bool)).inputs
    values = tokens[0, :, 0].unflatten(0, (4, 6))
    torch.testing.assert_close(values, values[:1].expand(4, 6))
    assert (values[0].diff() >= -1e-6).all()
    assert values[0, -1] > values[0, 0]


@torch.no_grad()
def test_positions_of_the_pretraining_size_are_left_as_they_are(tower, kind):
    known = {} if 'dinov2' in kind else dict(interpolate_pos_encoding=False)
    images = torch.randn(2, 3, 32, 32)
    features = tower(images, torch.zeros(2, 32, 32, dtype=torch.bool))
    bare = tower.model(pixel_values=images, **known).last_hidden_state
    assert torch.equal(features.tokens, bare[:, PREFIX.get(kind, 0) :])


@torch.no_grad()
def test_patch_with_one_pixel_of_image_is_no_padding(tower, images):
    # of the first image rows from 80 and columns up to 32 are padding
    mask = tower(*images).mask.unflatten(1, (8, 6))
    expected = torch.zeros(8, 6, dtype=torch.bool)
    expected[5:] = True
    expected[:, :2] = True
    assert torch.equal(mask[0], expected)
    assert not mask[1].any()
    thin = torch.ones_like(images[1])
    thin[:, 47, 31:33] = False
    mask = tower(images[0], thin).mask.unflatten(1, (8, 6))
    assert (~mask[0]).nonzero().tolist() == [[2, 1], [2, 2]]


@pytest.mark.parametrize('size', [(64, 90), (70, 64)])
def test_canvas_that_is_not_made_of_whole_patches_is_refused(config, size):
    config.size = size
    with pytest.raises(ValueError) as error:
        MODELS.build(config)
    assert str(error.value).startswith(
        f'size={size} is not made of whole patches of 16'
    )


def test_grid_is_that_of_the_patches(tower, images):
    assert tower.grid == tower(*images).grid == (8, 6)


def test_there_is_no_pooler(tower):
    names = list(tower.state_dict())
    assert not any('pooler' in name or '.head.' in name for name in names)


@pytest.mark.parametrize('with_arch', [True, False])
@torch.no_grad()
def test_weights_from_a_folder(tower, config, images, tmp_path, with_arch):
    tower.model.save_pretrained(tmp_path / 'vit')
    config.weights = str(tmp_path / 'vit')
    if not with_arch:
        del config['arch']
    loaded = MODELS.build(config).eval()
    assert torch.equal(loaded(*images).tokens, tower(*images).tokens)
    assert loaded.weights == config.weights


@pytest.mark.parametrize('name', ['clip', 'siglip'])
@torch.no_grad()
def test_half_of_a_two_tower_model_is_loaded(images, tmp_path, name):
    widths = dict(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
    )
    vision = dict(widths, image_size=32, patch_size=16)
    both = AutoModel.from_config(
        AutoConfig.for_model(
            name, vision_config=vision, text_config=dict(widths, vocab_size=99)
        )
    ).eval()
    both.save_pretrained(tmp_path / 'both')
    tower = MODELS.build(
        dict(
            type='TransformersVisionTower',
            size=(128, 96),
            weights=str(tmp_path / 'both'),
            arch=dict(model_type=f'{name}_vision_model', **vision),
        )
    ).eval()
    expected = both.vision_model(images[0], interpolate_pos_encoding=True)
    count = tower(*images).tokens.shape[1]
    assert torch.equal(tower(*images).tokens, expected.last_hidden_state[:, -count:])


def test_weights_in_half_precision_become_single(tower, config, tmp_path):
    tower.model.half().save_pretrained(tmp_path / 'half')
    config.weights = str(tmp_path / 'half')
    del config['arch']
    loaded = MODELS.build(config)
    assert {p.dtype for p in loaded.parameters()} == {torch.float32}


def test_weights_that_cannot_be_had_say_what_to_do(no_hub, config):
    config.weights = '/nowhere/vit'
    with pytest.raises(FileNotFoundError) as error:
        MODELS.build(config)
    text = str(error.value)
    assert "vision tower '/nowhere/vit'" in text
    assert 'model.backbone.vision.weights=FOLDER, or' in text
    assert 'model.backbone.vision.weights=None' in text
    assert 'tokenizer' not in text
