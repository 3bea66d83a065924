import pytest
import torch
from mmdet.registry import MODELS
from mmengine import ConfigDict

from m2ist_mm.checkpoints import save_state_file
from m2ist_mm.models.towers import record_taps


@pytest.fixture
def swin():
    return ConfigDict(
        type='BackboneTower',
        embed_dims=32,
        backbone=dict(
            type='SwinTransformer',
            embed_dims=4,
            depths=[1, 1, 1, 2],
            num_heads=[1, 1, 2, 4],
            window_size=2,
            out_indices=(3,),
        ),
    )


@pytest.fixture
def resnet(vision_config):
    return ConfigDict(
        type='BackboneTower', embed_dims=64, backbone=vision_config.backbone
    )


@pytest.mark.parametrize('name', ['swin', 'resnet'])
@torch.no_grad()
def test_tokens_are_the_map_row_by_row(request, images, name):
    config = request.getfixturevalue(name)
    tower = MODELS.build(config).eval()
    features = tower(*images)
    feature_map = tower.backbone(images[0])[-1]
    assert feature_map.shape == (2, config.embed_dims, 4, 3)
    for row, column in ((0, 0), (0, 2), (3, 1)):
        token = features.tokens[:, 3 * row + column]
        assert torch.equal(token, feature_map[:, :, row, column])
    mask = features.mask.unflatten(1, (4, 3))
    assert mask[0].tolist() == 3 * [[True, False, False]] + [3 * [True]]
    assert not mask[1].any()
    assert not features.inputs.any()
    assert features.inputs.shape == features.tokens.shape
    assert tower.embed_dims == config.embed_dims


@torch.no_grad()
def test_taps_of_swin_are_what_its_blocks_add(make_model, swin, images):
    tower = make_model(swin).eval()
    entering = []
    blocks = tower.backbone.stages[3].blocks
    blocks[0].register_forward_pre_hook(lambda block, inputs: entering.append(inputs))
    patterns = dict(
        attention='backbone.stages.3.blocks.{i}.attn',
        ffn='backbone.stages.3.blocks.{i}.ffn.layers',
    )
    with record_taps(tower, patterns, [0, 1]) as taps:
        features = tower(*images)
    x = entering[0][0] + sum(taps['attention'] + taps['ffn'])
    torch.testing.assert_close(tower.backbone.norm3(x), features.tokens)


@torch.no_grad()
def test_tapped_maps_are_read_row_by_row(resnet, images):
    tower = MODELS.build(resnet).eval()
    maps = []
    norm = tower.backbone.layer4[1].bn2
    norm.register_forward_hook(lambda module, inputs, output: maps.append(output))
    with record_taps(tower, dict(ffn='backbone.layer4.{i}.bn2'), [1]) as taps:
        tower(*images)
    assert torch.equal(taps['ffn'][0][:, 3 * 2 + 1], maps[0][:, :, 2, 1])


def test_tap_of_another_stage_is_refused(swin, images):
    tower = MODELS.build(swin)
    pattern = 'backbone.stages.2.blocks.{i}.attn'
    with pytest.raises(ValueError) as error:
        with record_taps(tower, dict(attention=pattern), [0]):
            tower(*images)
    assert f'tap {pattern!r} gives (2, 48, 16), and the tower has 12 tokens' in str(
        error.value
    )


@torch.no_grad()
def test_weights_of_a_detector_give_its_backbone(make_model, resnet, images, tmp_path):
    source = make_model(resnet).eval()
    state = source.state_dict() | {'bbox_head.fc_cls.weight': torch.ones(3, 3)}
    path = str(tmp_path / 'detector.pth')
    save_state_file(state, path)
    resnet.weights = path
    tower = MODELS.build(resnet).eval()
    assert torch.equal(tower(*images).tokens, source(*images).tokens)
    assert tower.weights == path


def test_weights_that_lack_a_part_are_refused(resnet, tmp_path):
    state = MODELS.build(resnet).state_dict()
    del state['backbone.layer4.1.conv2.weight']
    path = str(tmp_path / 'detector.pth')
    save_state_file(state, path)
    resnet.weights = path
    with pytest.raises(ValueError, match=r'1 missing \(backbone.layer4.1.conv2'):
        MODELS.build(resnet)


def test_missing_weights_say_what_to_take(resnet):
    resnet.weights = 'nowhere/detector.pth'
    with pytest.raises(FileNotFoundError) as error:
        MODELS.build(resnet)
    for part in (
        "'nowhere/detector.pth'",
        'checkpoint of an mmdet detector',
        '--cfg-options model.backbone.vision.weights=None',
    ):
        assert part in str(error.value)
