"""Names of other projects' checkpoints. That values land right: test_reference.py."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from mmdet.registry import MODELS
from mmengine import Config, ConfigDict

from m2ist_mm.checkpoints import convert_detr, convert_transvg, load_exactly

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / 'tests/data/reference'
FFN = dict(
    embed_dims=256,
    feedforward_channels=64,
    num_fcs=2,
    ffn_drop=0.0,
    act_cfg=dict(type='ReLU', inplace=True),
)
ATTENTION = dict(embed_dims=256, num_heads=8, batch_first=True)


def shapes_of(file):
    """Names and shapes of a reference checkpoint."""
    reference = np.load(REFERENCE / f'{file}.npz')
    return {
        str(name): tuple(int(size) for size in shape.strip('()').split(',') if size)
        for name, shape in zip(reference['names'], reference['shapes'], strict=True)
    }


def transvg_shapes():
    return shapes_of('transvg_r50')


def m2ist_shapes():
    """All names of the reference M²IST: TransVG's and the side networks'."""
    shapes = transvg_shapes() | shapes_of('m2ist_vision_side')
    for i in range(6):
        layer = f'textmodel.bert.encoder.layer.{i}'
        attention = f'{layer}.attention.output'
        adapter = f'{layer}.output.mlp_adapter'
        for name, (out_channels, *in_channels) in {
            f'{attention}.text_downsample': (128, 768),
            f'{attention}.text_upsample': (512, 128),
            f'{attention}.mha_adapter.up_proj': (256, 128),
            f'{adapter}.adapter_layer_norm_before': (768,),
            f'{adapter}.adapter_layer_norm_cross_modal': (768,),
            f'{adapter}.down_proj': (128, 768),
            f'{adapter}.up_proj': (768, 128),
        }.items():
            shapes[f'{name}.weight'] = (out_channels, *in_channels)
            shapes[f'{name}.bias'] = (out_channels,)
    return shapes


def on_meta(shapes):
    return {name: torch.empty(shape, device='meta') for name, shape in shapes.items()}


def r50_model(**neck):
    config = Config.fromfile(ROOT / 'configs/_base_/models/m2ist_r50.py').model
    config.backbone.vision.weights = None
    config.backbone.language.weights = None
    if neck:
        config.neck.update(neck)
    else:
        config.neck = None
    return config


def assert_fits(config, state):
    """Every name and shape of the model, and no other."""
    with torch.device('meta'):
        model = MODELS.build(config)
    load_exactly(model, state, 'converted')


def test_transvg_r50_fits():
    assert_fits(r50_model(), convert_transvg(on_meta(transvg_shapes())))


def test_m2ist_fits_the_reference_form():
    state = convert_transvg(on_meta(m2ist_shapes()))
    config = r50_model(side_norm='tower', init='uniform')
    assert_fits(config, state)
    sizes = [v.numel() for name, v in state.items() if name.startswith('neck.')]
    assert sum(sizes) == 2_975_232


def test_transvg_r101_with_40_text_tokens_fits():
    shapes = transvg_shapes()
    stage = 'visumodel.backbone.0.body.layer3'
    for name, shape in list(shapes.items()):
        if name.startswith(f'{stage}.5.'):
            for block in range(6, 23):
                shapes[name.replace(f'{stage}.5.', f'{stage}.{block}.')] = shape
    shapes['vl_pos_embed.weight'] = (1 + 40 + 400, 256)
    config = r50_model()
    config.backbone.vision.backbone.depth = 101
    config.backbone.language.max_tokens = 40
    assert_fits(config, convert_transvg(on_meta(shapes)))


def test_pooler_and_position_ids_of_older_transformers_are_left_out():
    shapes = transvg_shapes() | {
        'textmodel.bert.pooler.dense.weight': (768, 768),
        'textmodel.bert.embeddings.position_ids': (1, 512),
    }
    assert_fits(r50_model(), convert_transvg(on_meta(shapes)))


@pytest.mark.parametrize('convert', [convert_transvg, convert_detr])
def test_prefix_of_data_parallel_training_is_taken_off(convert):
    prefix = 'visumodel.' if convert is convert_transvg else ''
    state = {
        f'{prefix}transformer.encoder.layers.0.norm1.bias': torch.randn(3),
        f'{prefix}backbone.0.body.bn1.running_mean': torch.randn(3),
    }
    expected = convert(state)
    assert len(expected) == 3  # with the BatchNorm's counter
    found = convert({f'module.{name}': value for name, value in state.items()})
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in found)


def test_side_networks_values_land_in_their_places():
    vision = 'visumodel.transformer.encoder.layers.3'
    language = 'textmodel.bert.encoder.layer.3'
    places = {
        f'{vision}.vis_downsample_mha.weight': 'neck.iea.3.vision_down.weight',
        f'{vision}.mha_adapters.up_proj.bias': 'neck.iea.3.shared_up.bias',
        f'{vision}.mlp_adapters.adapter_layer_norm_before.bias': 'neck.vea.3.norm.bias',
        f'{vision}.mlp_adapters.down_proj.weight': 'neck.vea.3.down.weight',
        f'{vision}.mlp_adapters.visual_up_proj.weight': 'neck.vea.3.up.weight',
        f'{language}.attention.output.text_downsample.bias': (
            'neck.iea.3.language_down.bias'
        ),
        f'{language}.attention.output.text_upsample.weight': (
            'neck.iea.3.language_up.weight'
        ),
        f'{language}.output.mlp_adapter.adapter_layer_norm_before.weight': (
            'neck.lea.3.norm.weight'
        ),
        f'{language}.output.mlp_adapter.down_proj.bias': 'neck.lea.3.down.bias',
        f'{language}.output.mlp_adapter.up_proj.weight': 'neck.lea.3.up.weight',
    }
    left_out = [
        # the shared matrix, registered a second time
        f'{language}.attention.output.mha_adapter.up_proj.bias',
        f'{vision}.mlp_adapters.adapter_layer_norm_cross_modal.weight',
        f'{language}.output.mlp_adapter.adapter_layer_norm_cross_modal.bias',
    ]
    state = {name: torch.randn(2) for name in [*places, *left_out]}
    converted = convert_transvg(state)
    assert converted.keys() == set(places.values())
    for name, place in places.items():
        assert torch.equal(converted[place], state[name])


@pytest.mark.parametrize(
    ('convert', 'name', 'source'),
    [
        (convert_transvg, 'visumodel.neck.weight', 'TransVG or M²IST'),
        (convert_transvg, 'backbone.vision.input_proj.weight', 'TransVG or M²IST'),
        (convert_transvg, 'visumodel.transformer.decoder.norm.bias', 'TransVG'),
        (convert_detr, 'transformer.level_embed', 'a DETR'),
        (convert_detr, 'neck.convs.1.conv.weight', 'an mmdet DETR'),
        (convert_detr, 'roi_head.bbox_head.fc_cls.weight', 'an mmdet DETR'),
    ],
)
def test_unknown_names_are_refused(convert, name, source):
    state = {name: torch.ones(1)}
    if convert is convert_transvg:
        state['reg_token.weight'] = torch.ones(1)
    with pytest.raises(ValueError) as error:
        convert(state)
    text = str(error.value)
    assert f'1 of {len(state)} names are not those of {source}' in text
    assert text.endswith(f'for instance {name}')


def test_original_detr_gives_the_tower(make_model, vision_config):
    tower = make_model(vision_config)
    names = {
        'backbone.': 'backbone.0.body.',
        'encoder.': 'transformer.encoder.',
        'self_attn.attn.': 'self_attn.',
        'ffn.layers.0.0.': 'linear1.',
        'ffn.layers.1.': 'linear2.',
        'norms.0.': 'norm1.',
        'norms.1.': 'norm2.',
    }
    state = {}
    for name, value in tower.state_dict().items():
        for new, old in names.items():
            name = name.replace(new, old)
        if not name.endswith('num_batches_tracked'):  # its BatchNorms count none
            state[name] = value
    assert 'transformer.encoder.layers.1.self_attn.in_proj_weight' in state
    decoder = [
        'transformer.decoder.layers.0.multihead_attn.out_proj.bias',
        'transformer.decoder.norm.weight',
        'class_embed.weight',
        'bbox_embed.layers.2.bias',
        'query_embed.weight',
    ]
    state.update((name, torch.ones(1)) for name in decoder)
    converted = convert_detr(state)
    load_exactly(tower, converted, 'converted')
    expected = tower.state_dict()
    for name, value in converted.items():
        assert torch.equal(value, expected[name]), name


def detector_config(kind, vision_config):
    """Config of a small mmdet detector and that of its tower."""
    encoder = dict(num_layers=2, layer_cfg=dict(self_attn_cfg=ATTENTION, ffn_cfg=FFN))
    attention = cross = ATTENTION
    if kind == 'ConditionalDETR':
        attention = dict(embed_dims=256, num_heads=8, attn_drop=0.0, cross_attn=False)
        cross = dict(attention, cross_attn=True)
    positions = dict(num_feats=128, normalize=True)
    detector = dict(
        type=kind,
        num_queries=3,
        backbone=vision_config.backbone,
        neck=dict(
            type='ChannelMapper',
            in_channels=[64],
            kernel_size=1,
            out_channels=256,
            act_cfg=None,
            norm_cfg=None,
            num_outs=1,
        ),
        encoder=encoder,
        decoder=dict(
            num_layers=1,
            layer_cfg=dict(self_attn_cfg=attention, cross_attn_cfg=cross, ffn_cfg=FFN),
            return_intermediate=True,
        ),
        positional_encoding=positions,
        bbox_head=dict(
            type=f'{kind}Head',
            num_classes=2,
            embed_dims=256,
            loss_cls=dict(type='FocalLoss', use_sigmoid=True),
        ),
    )
    tower = dict(
        type='DETREncoderTower',
        backbone=vision_config.backbone,
        in_channels=64,
        encoder=encoder,
        positional_encoding=positions,
    )
    return copy.deepcopy((ConfigDict(detector), ConfigDict(tower)))


@pytest.mark.parametrize('kind', ['DETR', 'ConditionalDETR'])
@torch.no_grad()
def test_mmdet_detector_gives_a_tower_with_its_memory(
    make_model, make_sample, vision_config, kind
):
    detector, tower = detector_config(kind, vision_config)
    detector = make_model(detector).eval()
    tower = MODELS.build(tower).eval()
    load_exactly(tower, convert_detr(detector.state_dict()), 'converted')

    images = torch.randn(2, 3, 128, 96)
    mask = torch.zeros(2, 128, 96, dtype=torch.bool)
    mask[1, 80:] = mask[1, :, 70:] = True  # mmdet pads below and right
    samples = [make_sample('', [0, 0, 1, 1])['data_samples'] for _ in images]
    samples[1].set_metainfo(dict(img_shape=(80, 70)))
    encoder_inputs, _ = detector.pre_transformer(detector.extract_feat(images), samples)
    memory = detector.forward_encoder(**encoder_inputs)['memory']

    features = tower(images, mask)
    assert features.mask.sum(1).tolist() == [0, 3]
    torch.testing.assert_close(features.inputs, encoder_inputs['feat'])
    torch.testing.assert_close(features.tokens, memory, rtol=0, atol=1e-5)


def test_tower_of_another_size_is_refused_after_conversion(make_model, vision_config):
    detector, tower = detector_config('DETR', vision_config)
    tower.encoder.num_layers = 1
    with pytest.raises(ValueError, match=r'not known to the model \(encoder.layers.1'):
        load_exactly(
            MODELS.build(tower), convert_detr(make_model(detector).state_dict()), 'x'
        )
