"""Names of other projects' checkpoints. That values land right: test_reference.py."""

import copy
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from mmdet.registry import MODELS
from mmengine import Config, ConfigDict
from transformers import DetrConfig, DetrForObjectDetection, ResNetConfig

from m2ist_mm.checkpoints import (
    convert_detr,
    convert_transvg,
    convert_yolox,
    load_exactly,
    load_state_file,
)

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
        num_layers=2,
        feedforward_channels=FFN['feedforward_channels'],
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
    tower.num_layers = 1
    with pytest.raises(ValueError, match=r'not known to the model \(encoder.layers.1'):
        load_exactly(
            MODELS.build(tower), convert_detr(make_model(detector).state_dict()), 'x'
        )


# -- transformers' DETR ----------------------------------------------------


@pytest.fixture(scope='module')
def hub_detr():
    """A small DETR of transformers with drawn weights, and the config of its tower."""
    torch.manual_seed(0)
    resnet = ResNetConfig(
        embedding_size=8,
        hidden_sizes=[16, 16, 32, 32],
        depths=[1, 1, 1, 2],
        layer_type='bottleneck',
        out_features=['stage4'],
    )
    model = DetrForObjectDetection(
        DetrConfig(
            use_timm_backbone=False,
            backbone=None,
            backbone_config=resnet,
            encoder_layers=2,
            decoder_layers=1,
            d_model=32,
            encoder_attention_heads=4,
            encoder_ffn_dim=64,
        )
    ).eval()
    for name, value in model.state_dict().items():
        if 'backbone' in name and value.is_floating_point() and value.dim() == 1:
            value.uniform_(0.5, 1.5)
    return model


def as_in_files(name):
    """The name in the files of the hub, which transformers 4 wrote."""
    name = name.replace('model.backbone.model.', 'model.backbone.conv_encoder.model.')
    return name.replace('.o_proj.', '.out_proj.').replace('.mlp.fc', '.fc')


def as_timm(name):
    """The name where the file's backbone is timm's."""
    name = as_in_files(name)
    for pattern, new in (
        (r'embedder\.embedder\.convolution', 'conv1'),
        (r'embedder\.embedder\.normalization', 'bn1'),
        (r'\.shortcut\.convolution', '.downsample.0'),
        (r'\.shortcut\.normalization', '.downsample.1'),
    ):
        name = re.sub(pattern, new, name)
    name = re.sub(
        r'encoder\.stages\.(\d)\.layers\.',
        lambda match: f'layer{int(match[1]) + 1}.',
        name,
    )
    return re.sub(
        r'\.layer\.(\d)\.(convolution|normalization)',
        lambda match: f'.{dict(c="conv", n="bn")[match[2][0]]}{int(match[1]) + 1}',
        name,
    )


@pytest.mark.parametrize('naming', [str, as_in_files, as_timm])
def test_names_of_a_transformers_detr_land_in_their_places(hub_detr, naming):
    state = {naming(name): value for name, value in hub_detr.state_dict().items()}
    converted = convert_detr(state)
    own = hub_detr.model
    attention = own.encoder.layers[1].self_attn
    stem = own.backbone.model.embedder.embedder
    for name, value in {
        'backbone.conv1.weight': stem.convolution.weight,
        'encoder.layers.1.self_attn.attn.in_proj_weight': torch.cat(
            [getattr(attention, f'{part}_proj').weight for part in 'qkv']
        ),
        'encoder.layers.1.ffn.layers.1.bias': own.encoder.layers[1].mlp.fc2.bias,
        'encoder.layers.0.norms.1.weight': own.encoder.layers[
            0
        ].final_layer_norm.weight,
        'input_proj.bias': own.input_projection.bias,
    }.items():
        assert torch.equal(converted[name], value), name
    stage = own.backbone.model.encoder.stages[3].layers
    assert torch.equal(
        converted['backbone.layer4.1.conv3.weight'],
        stage[1].layer[2].convolution.weight,
    )
    assert torch.equal(
        converted['backbone.layer4.0.downsample.1.running_var'],
        stage[0].shortcut.normalization.running_var,
    )
    assert not any('decoder' in name for name in converted)


@torch.no_grad()
def test_encoder_of_a_transformers_detr_computes_the_same(hub_detr):
    config = ConfigDict(
        type='DETREncoderTower',
        size=(64, 96),
        backbone=dict(type='ResNet', depth=50, out_indices=(3,)),
        embed_dims=32,
        num_layers=2,
        num_heads=4,
        feedforward_channels=FFN['feedforward_channels'],
    )
    tower = MODELS.build(config).eval()
    converted = convert_detr(hub_detr.state_dict())
    encoder = {n: v for n, v in converted.items() if n.startswith('encoder.')}
    load_exactly(tower.encoder, {n[8:]: v for n, v in encoder.items()}, 'converted')
    tokens, position = torch.randn(2, 1, 6, 32)
    mask = torch.tensor([[False, False, False, True, False, True]])
    memory = tower.encoder(tokens, position, mask)
    expected = hub_detr.model.encoder(
        inputs_embeds=tokens,
        attention_mask=(~mask).long(),
        spatial_position_embeddings=position,
    ).last_hidden_state
    torch.testing.assert_close(memory[:, ~mask[0]], expected[:, ~mask[0]])


def test_tower_s_own_file_stays_as_it_is(hub_detr):
    tower = convert_detr(hub_detr.state_dict())
    again = convert_detr(tower)
    assert again.keys() == tower.keys()
    assert all(torch.equal(again[name], tower[name]) for name in tower)


# -- YOLOX -----------------------------------------------------------------

YOLOX_NANO = 'mmdet::yolox/yolox_nano_8xb8-300e_coco.py'


def as_megvii(state):
    """An mmdet YOLOX' backbone and neck in the names of Megvii's code."""
    renamed = {}
    for name, value in state.items():
        for pattern, new in (
            (r'^backbone\.stem', 'backbone.backbone.stem'),
            *(
                (rf'^backbone\.stage{i}', f'backbone.backbone.dark{i + 1}')
                for i in range(1, 5)
            ),
            (r'^neck\.reduce_layers\.0', 'backbone.lateral_conv0'),
            (r'^neck\.reduce_layers\.1', 'backbone.reduce_conv1'),
            (r'^neck\.top_down_blocks\.0', 'backbone.C3_p4'),
            (r'^neck\.top_down_blocks\.1', 'backbone.C3_p3'),
            (r'^neck\.downsamples\.0', 'backbone.bu_conv2'),
            (r'^neck\.downsamples\.1', 'backbone.bu_conv1'),
            (r'^neck\.bottom_up_blocks\.0', 'backbone.C3_n3'),
            (r'^neck\.bottom_up_blocks\.1', 'backbone.C3_n4'),
            (r'^neck\.out_convs', 'head.stems'),
            (r'\.depthwise_conv\.', '.dconv.'),
            (r'\.pointwise_conv\.', '.pconv.'),
            (r'\.main_conv\.', '.conv1.'),
            (r'\.short_conv\.', '.conv2.'),
            (r'\.final_conv\.', '.conv3.'),
            (r'\.blocks\.', '.m.'),
        ):
            name = re.sub(pattern, new, name)
        renamed[name] = value
    return renamed


@pytest.mark.parametrize('tiny', [False, True], ids=['depthwise', 'plain'])
def test_megvii_names_of_yolox_land_in_their_places(tiny):
    name = YOLOX_NANO.replace('nano', 'tiny') if tiny else YOLOX_NANO
    tower = MODELS.build(
        dict(type='DetectorTower', detector=name, left_out=(), size=(64, 64))
    )
    state = tower.state_dict()
    megvii = as_megvii(state)
    # as they stand in Megvii's file
    assert 'backbone.backbone.dark2.1.m.0.conv1.conv.weight' in megvii
    assert 'backbone.backbone.dark5.1.conv2.bn.bias' in megvii
    assert ('backbone.bu_conv2.dconv.conv.weight' in megvii) != tiny
    megvii['head.cls_preds.0.weight'] = torch.ones(1)
    converted = convert_yolox(megvii)
    assert converted.keys() == state.keys()
    assert all(torch.equal(converted[name], state[name]) for name in state)


def test_shipped_yolox_nano_goes_to_megviis_names_and_back():
    state = load_state_file(str(ROOT / 'weights/yolox_nano_tower.pth'))
    megvii = as_megvii(state)
    assert not megvii.keys() & state.keys()
    converted = convert_yolox(megvii)
    assert converted.keys() == state.keys()
    assert all(torch.equal(converted[name], state[name]) for name in state)


def test_names_of_no_yolox_are_refused():
    with pytest.raises(
        ValueError, match="1 of 1 names are not those of Megvii's YOLOX"
    ):
        convert_yolox({'backbone.backbone.dark6.0.conv.weight': torch.ones(1)})
