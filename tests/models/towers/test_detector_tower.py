import copy

import pytest
import torch
import torch.nn.functional as F
from mmdet.registry import MODELS
from mmengine import ConfigDict

from m2ist_mm.checkpoints import save_state_file
from m2ist_mm.models.towers import DetectorTower

NANO = 'mmdet::yolox/yolox_nano_8xb8-300e_coco.py'
SIZE = (96, 64)
R18_FPN = dict(
    backbone=dict(
        type='ResNet', depth=18, base_channels=8, stem_channels=8, frozen_stages=1
    ),
    neck=dict(type='FPN', in_channels=[8, 16, 32, 64], out_channels=8, num_outs=5),
    data_preprocessor=dict(mean=[9.0, 8.0, 7.0], std=[3.0, 2.0, 1.0], bgr_to_rgb=True),
)


def build(detector=NANO, **kwargs):
    return MODELS.build(
        dict(type='DetectorTower', detector=detector, size=SIZE) | kwargs
    ).eval()


@pytest.fixture
def images():
    generator = torch.Generator().manual_seed(2)
    images = 255 * torch.rand(2, 3, *SIZE, generator=generator)
    mask = torch.zeros(2, *SIZE, dtype=torch.bool)
    mask[0, 64:] = True
    return images, mask


@torch.no_grad()
def test_tokens_are_all_levels_on_the_coarsest_grid(images):
    tower = build()
    features = tower(*images)
    fine, middle, coarse = tower.neck(tower.backbone(images[0]))
    assert coarse.shape == (2, 256, 3, 2)
    assert (tower.embed_dims, tower.stride, tower.grid) == (448, 32, (3, 2))
    assert features.grid == (3, 2)
    assert features.inputs is None
    for row, column in ((0, 0), (2, 1)):
        token = features.tokens[:, 2 * row + column]
        parts = (
            fine[..., 4 * row : 4 * row + 4, 4 * column : 4 * column + 4],
            middle[..., 2 * row : 2 * row + 2, 2 * column : 2 * column + 2],
            coarse[..., row : row + 1, column : column + 1],
        )
        expected = torch.cat([part.mean((2, 3)) for part in parts], dim=1)
        torch.testing.assert_close(token, expected)
    assert features.mask.tolist() == [4 * [False] + 2 * [True], 6 * [False]]


@torch.no_grad()
def test_coarser_levels_are_interpolated_to_a_finer_grid(images):
    tower = build(stride=16, levels=[1, 2])
    features = tower(*images)
    _, middle, coarse = tower.neck(tower.backbone(images[0]))
    feature_map = features.tokens.transpose(1, 2).unflatten(2, (6, 4))
    assert tower.grid == features.grid == (6, 4)
    assert torch.equal(feature_map[:, :128], middle)
    coarse = F.interpolate(coarse, (6, 4), mode='bilinear', align_corners=False)
    assert torch.equal(feature_map[:, 128:], coarse)


@torch.no_grad()
def test_levels_of_one_width_can_be_summed(images):
    levels = dict(levels=[0, 1, 2, 3])
    concat, tower = build(R18_FPN, **levels), build(R18_FPN, join='sum', **levels)
    tower.load_state_dict(concat.state_dict())
    assert (concat.embed_dims, tower.embed_dims) == (4 * 8, 8)
    parts = concat(*images).tokens.chunk(4, dim=2)
    torch.testing.assert_close(tower(*images).tokens, sum(parts))


def test_default_grid_is_not_coarser_than_the_backbones():
    tower = build(R18_FPN, size=(128, 64))  # five levels, the last of stride 64
    assert (tower.stride, tower.grid) == (32, (4, 2))


@torch.no_grad()
def test_last_convolutions_of_yolox_can_be_kept(images):
    tower = build(left_out=())
    assert tower.embed_dims == 3 * 64
    assert 'neck.out_convs.0.conv.weight' in tower.state_dict()
    assert not any('out_convs' in name for name in build().state_dict())


def test_taps_are_the_stages_in_order_of_depth(images):
    tower = build()
    expected = [32, 64, 128, 256, 128, 64, 128, 256]
    for kind in ('attention', 'ffn', 'layer'):
        assert tower.tap_channels(kind, range(8)) == expected
    tower.freeze()
    tower.tap(dict(ffn=[1, 3], layer=[7]))
    taps = tower.encode(*images).taps
    # finer maps are averaged to the tokens' grid
    assert [tuple(tap.shape) for tap in taps['ffn']] == [(2, 6, 64), (2, 6, 256)]
    stage = F.adaptive_avg_pool2d(tower.backbone(images[0])[0], (3, 2))
    assert tuple(stage.shape) == (2, 64, 3, 2)
    torch.testing.assert_close(taps['ffn'][0], stage.flatten(2).transpose(1, 2))
    tokens = tower(*images).tokens
    assert torch.equal(taps['layer'][0], tokens[..., -256:])


@pytest.mark.parametrize(
    ('detector', 'channels'),
    [
        ('rtmdet_tiny_8xb32-300e_coco', [48, 96, 192, 384, 192, 96, 192, 384]),
        (R18_FPN, [8, 16, 32, 64, 8, 8, 8, 8]),
    ],
    ids=['rtmdet', 'fpn'],
)
def test_other_detectors_have_their_rows_in_the_table(detector, channels):
    tower = build(detector, levels=[0, 1, 2])
    assert tower.tap_channels('ffn', range(8)) == channels
    assert len(tower.site_channels('ffn')) == len(tower.site_channels('ffn_input')) > 3


def test_input_contract_is_the_detectors():
    spec = build(size=(64, 96)).input_spec
    assert (spec.size, spec.channel_order) == ((64, 96), 'bgr')
    assert (spec.mean, spec.std, spec.pad_value) == (3 * (0,), 3 * (1,), 3 * (114,))
    spec = build(R18_FPN, levels=[0]).input_spec
    assert (spec.mean, spec.std) == ((9, 8, 7), (3, 2, 1))
    assert (spec.channel_order, spec.pad_value) == ('rgb', None)


def test_no_batch_norm_moves_in_full_fine_tuning(images):
    tower = build().train()
    frozen = copy.deepcopy(tower)
    frozen.freeze()
    before = {name: value.clone() for name, value in tower.named_buffers()}
    tokens = tower.encode(*images).tokens
    assert torch.equal(tokens, frozen.encode(*images).tokens)
    tokens.square().mean().backward()
    assert all(p.grad is not None for p in tower.parameters())
    assert all(torch.equal(value, before[n]) for n, value in tower.named_buffers())


def test_weights_without_a_part_in_the_tokens_are_not_trainable(images):
    tower = build(R18_FPN, levels=[3])
    tower.encode(*images).tokens.sum().backward()
    for name, parameter in tower.named_parameters():
        assert (parameter.grad is not None) == parameter.requires_grad, name
    assert not tower.neck.fpn_convs[0].conv.weight.requires_grad
    assert tower.neck.fpn_convs[3].conv.weight.requires_grad


# -- weights -------------------------------------------------------------------------


@pytest.fixture(scope='module')
def detector():
    """YOLOX-nano as mmdet builds it, with random weights."""
    from mmengine.hub import get_config

    torch.manual_seed(3)
    model = MODELS.build(get_config(NANO).model)
    for value in model.state_dict().values():
        if value.is_floating_point() and value.dim() == 1:
            value.uniform_(0.5, 1.5)
    return model.eval()


@torch.no_grad()
def test_weights_of_the_detector_give_its_maps(detector, images, tmp_path):
    path = str(tmp_path / 'detector.pth')
    save_state_file(detector.state_dict(), path)
    tower = build(weights=path, left_out=(), stride=8)
    expected = detector.extract_feat(images[0])
    maps = tower.neck(tower.backbone(images[0]))
    assert all(map(torch.equal, maps, expected))
    assert tower.identity() is None  # not frozen
    tower.freeze()
    assert tower.identity()['name'] == path
    # the file of the tower itself fits, too
    save_state_file(tower.state_dict(), path)
    assert torch.equal(
        build(weights=path, left_out=(), stride=8)(*images).tokens,
        tower(*images).tokens,
    )


def refusal(**kwargs):
    with pytest.raises((ValueError, FileNotFoundError)) as error:
        build(**kwargs)
    text = str(error.value)
    assert '\n' not in text
    return text


def test_weights_of_another_detector_are_refused(detector, tmp_path):
    path = str(tmp_path / 'detector.pth')
    save_state_file(detector.state_dict(), path)
    text = refusal(detector='yolox_tiny_8xb8-300e_coco', weights=path)
    assert repr(path) in text
    assert (
        'does not fit DetectorTower' in text and '108 missing (backbone.stage1' in text
    )


def test_file_without_backbone_and_neck_is_refused(tmp_path):
    path = str(tmp_path / 'bert.pth')
    save_state_file({'bert.embeddings.weight': torch.ones(1)}, path)
    assert "is no detector: its names begin with ['bert']" in refusal(weights=path)


def test_missing_weights_say_what_to_do():
    text = refusal(weights='nowhere/yolox.pth')
    assert "'nowhere/yolox.pth'" in text
    assert '--cfg-options model.backbone.vision.weights=None' in text


@pytest.mark.parametrize(
    ('kwargs', 'message'),
    [
        (dict(detector=dict(backbone=R18_FPN['backbone'])), 'it has no neck'),
        (dict(size=(100, 64)), r'size=(100, 64) is not made of whole cells of 32 x 32'),
        (dict(detector=R18_FPN), 'whole cells of 64 x 64'),
        (dict(levels=[1, 3]), 'the neck of CSPDarknet+YOLOXPAFPN has 0 to 2'),
        (dict(levels=[2, 1, 0]), 'levels=[2, 1, 0]: give numbers of levels in rising'),
        (dict(levels=[1, 1]), 'levels=[1, 1]: give numbers of levels in rising'),
        (dict(levels=2), 'levels=2: give numbers of levels'),
        (dict(levels=[0], size=(104, 64)), 'set the canvas to multiples of 32'),
        (dict(stride=24), 'stride=24 does not divide the canvas, size=(96, 64)'),
        (dict(stride=0), 'stride=0 is no number of pixels'),
        (dict(size=96), 'size'),
        (dict(left_out=['neck.nope']), "left_out='neck.nope' is no module of CSPDark"),
        (dict(detector=None), r'detector = None must be a name or dict(...)'),
        (dict(detector='ssd300_coco', size=(300, 300)), 'same stride on every canvas'),
        (dict(join='sum'), 'these have [64, 128, 256] channels'),
        (dict(join='mean'), "join is 'concat' or 'sum', not 'mean'"),
    ],
)
def test_bad_input_gets_one_line(kwargs, message):
    assert message in refusal(**kwargs)


def test_other_levels_are_no_remedy_for_the_backbones_stride():
    assert 'other levels' not in refusal(levels=[0], size=(104, 64))
    assert 'or choose other levels' in refusal(detector=R18_FPN)


def test_random_tower_needs_no_weights_of_the_backbones_pre_training():
    tower = build('rtmdet_tiny_8xb32-300e_coco')
    tower.init_weights()  # its config names a URL
    assert isinstance(tower, DetectorTower)
    assert ConfigDict(tower.spec.backbone).get('init_cfg') is None
