import pytest
import torch
from mmdet.registry import MODELS
from mmengine import ConfigDict

from m2ist_mm.checkpoints import save_state_file


@pytest.fixture
def swin():
    return ConfigDict(
        type='BackboneTower',
        size=(128, 96),
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
        type='BackboneTower',
        size=(128, 96),
        backbone=vision_config.backbone,
    )


@pytest.mark.parametrize(('name', 'width'), [('swin', 32), ('resnet', 64)])
@torch.no_grad()
def test_tokens_are_the_map_row_by_row(request, images, name, width):
    config = request.getfixturevalue(name)
    tower = MODELS.build(config).eval()
    features = tower(*images)
    feature_map = tower.backbone(images[0])[-1]
    assert feature_map.shape == (2, width, 4, 3)
    for row, column in ((0, 0), (0, 2), (3, 1)):
        token = features.tokens[:, 3 * row + column]
        assert torch.equal(token, feature_map[:, :, row, column])
    mask = features.mask.unflatten(1, (4, 3))
    assert mask[0].tolist() == 3 * [[True, False, False]] + [3 * [True]]
    assert not mask[1].any()
    # no tokens of this width and number enter it
    assert features.inputs is None
    assert features.grid == tower.grid == (4, 3)
    assert tower.embed_dims == width


@torch.no_grad()
def test_taps_of_swin_are_what_its_blocks_add(make_model, swin, images):
    tower = make_model(swin).eval()
    entering = []
    blocks = tower.backbone.stages[3].blocks
    blocks[0].register_forward_pre_hook(lambda block, inputs: entering.append(inputs))
    tower.tap(dict(attention=[0, 1], ffn=[0, 1]))
    features = tower.encode(*images)
    x = entering[0][0] + sum(features.taps['attention'] + features.taps['ffn'])
    torch.testing.assert_close(tower.backbone.norm3(x), features.tokens)


@torch.no_grad()
def test_tapped_maps_are_read_row_by_row(resnet, images):
    resnet.taps = dict(ffn='backbone.layer4.{i}.bn2')
    tower = MODELS.build(resnet).eval()
    maps = []
    norm = tower.backbone.layer4[1].bn2
    norm.register_forward_hook(lambda module, inputs, output: maps.append(output))
    tower.tap(dict(ffn=[1]))
    taps = tower.encode(*images).taps
    assert torch.equal(taps['ffn'][0][:, 3 * 2 + 1], maps[0][:, :, 2, 1])


@torch.no_grad()
def test_finer_maps_are_averaged_to_the_towers_grid(resnet, images):
    tower = MODELS.build(resnet).eval()
    maps = []
    for stage in (tower.backbone.layer1, tower.backbone.layer3):
        stage.register_forward_hook(lambda module, inputs, output: maps.append(output))
    tower.tap(dict(layer=[0, 2]))
    first, third = tower.encode(*images).taps['layer']
    # of 32 x 24 and 8 x 6 positions, to 4 x 3
    assert (first.shape, third.shape) == ((2, 12, 8), (2, 12, 32))
    for tap, feature_map, step in ((first, maps[0], 8), (third, maps[1], 2)):
        for row, column in ((0, 0), (2, 1), (3, 2)):
            cell = feature_map[
                :, :, step * row : step * (row + 1), step * column : step * (column + 1)
            ]
            torch.testing.assert_close(tap[:, 3 * row + column], cell.mean((2, 3)))
    assert tower.tap_channels('layer', [0, 2, 3]) == [8, 32, 64]


@torch.no_grad()
def test_coarser_maps_stay_maps(resnet, images):
    # the output is the map of the stage before the last
    resnet.backbone.out_indices = (2,)
    resnet.taps = dict(deep=[['backbone.coarse']])
    tower = MODELS.build(resnet).eval()
    tower.backbone.coarse = torch.nn.AvgPool2d(2)
    forward = tower.backbone.forward
    tower.backbone.forward = lambda x: [
        (y, tower.backbone.coarse(y))[0] for y in forward(x)
    ]
    tower.tap(dict(deep=[0]))
    features = tower.encode(*images)
    assert features.grid == tower.grid == (8, 6)
    (tap,) = features.taps['deep']
    assert tap.shape == (2, 32, 4, 3)
    tokens = features.tokens.transpose(1, 2).unflatten(2, (8, 6))
    torch.testing.assert_close(tap[:, :, 1, 2], tokens[:, :, 2:4, 4:6].mean((2, 3)))
    assert tower.tap_channels('deep', [0]) == [32]


def test_tap_of_another_stage_is_refused(swin, images):
    swin.taps = dict(attention='backbone.stages.2.blocks.{i}.attn')
    tower = MODELS.build(swin)
    tower.tap(dict(attention=[0]))
    with pytest.raises(ValueError) as error:
        tower.encode(*images)
    assert str(error.value) == (
        "BackboneTower: the tap 'attention' gives (2, 48, 16), and the tower has 12 "
        'tokens: tap modules that give as many, or feature maps'
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
