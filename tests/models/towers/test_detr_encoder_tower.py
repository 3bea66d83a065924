import math

import pytest
import torch
from mmdet.registry import MODELS

from m2ist_mm.checkpoints import save_state_file


@torch.no_grad()
def test_tokens_are_the_map_row_by_row(vision_config, images):
    tower = MODELS.build(vision_config).eval()
    features = tower(*images)
    feature_map = tower.backbone(images[0])[-1]
    assert feature_map.shape == (2, 64, 4, 3)
    weight, bias = tower.input_proj.weight[..., 0, 0], tower.input_proj.bias
    for row, column in ((0, 0), (0, 2), (3, 1)):
        torch.testing.assert_close(
            features.inputs[:, 3 * row + column],
            feature_map[:, :, row, column] @ weight.T + bias,
        )
    assert features.tokens.shape == (2, 12, 32)
    assert features.taps == {}


@torch.no_grad()
def test_mask_says_which_tokens_lie_in_the_padding(vision_config, images):
    # of the first image rows from 80 and columns up to 32 are padding; tokens are read
    # off at the pixels 0, 32, 64, …
    tower = MODELS.build(vision_config).eval()
    mask = tower(*images).mask.unflatten(1, (4, 3))
    assert mask[0].tolist() == 3 * [[True, False, False]] + [3 * [True]]
    assert not mask[1].any()


@torch.no_grad()
def test_image_thinner_than_the_stride_is_not_lost(vision_config, images):
    tower = MODELS.build(vision_config).eval()
    mask = torch.ones_like(images[1])
    mask[0, 40:80, 5:25] = False  # between columns 0 and 32; row 64 is within
    mask[1] = images[1][1]
    features = tower(images[0], mask)
    found = features.mask.unflatten(1, (4, 3))
    assert (~found[0]).nonzero().tolist() == [[1, 0], [2, 0]]
    assert not found[1].any()
    assert features.tokens.isfinite().all()


@torch.no_grad()
def test_a_token_is_changed_by_other_tokens_but_not_by_padding(vision_config, images):
    tower = MODELS.build(vision_config).eval()
    features = tower(*images)
    position = tower.positional_encoding(features.mask.unflatten(1, (4, 3)))
    position = position.flatten(2).transpose(1, 2)

    def encode(index):
        tokens = features.inputs.clone()
        tokens[0, index] += 1
        return tower.encoder(tokens, position, features.mask)

    valid = ~features.mask[0]
    padding = features.mask[0].nonzero()[0].item()
    other = valid.nonzero()[0].item()
    assert torch.equal(encode(padding)[0, valid], features.tokens[0, valid])
    rest = valid.clone()
    rest[other] = False
    assert (encode(other)[0, rest] - features.tokens[0, rest]).abs().min() > 0


def test_random_tower_starts_as_detr_does(vision_config):
    tower = MODELS.build(vision_config)
    tower.init_weights()
    query_key_value = tower.encoder.layers[1].self_attn.attn.in_proj_weight
    for weight, fans in (
        (query_key_value, 32 + 96),
        (tower.encoder.layers[0].ffn.layers[0][0].weight, 32 + 64),
        (tower.input_proj.weight, 32 + 64),
    ):
        bound = math.sqrt(6 / fans)
        assert 0.9 * bound < weight.abs().max() <= bound
    assert not tower.input_proj.bias.any()


@torch.no_grad()
def test_weights_file_gives_the_tower_it_was_made_from(
    make_model, vision_config, images, tmp_path
):
    source = make_model(vision_config).eval()
    path = str(tmp_path / 'tower.pth')
    save_state_file(source.state_dict(), path)
    vision_config.weights = path
    tower = MODELS.build(vision_config).eval()
    assert tower.weights == path
    assert torch.equal(tower(*images).tokens, source(*images).tokens)


def test_missing_weights_say_what_to_take(vision_config):
    vision_config.weights = 'nowhere/tower.pth'
    with pytest.raises(FileNotFoundError) as error:
        MODELS.build(vision_config)
    for part in (
        "'nowhere/tower.pth'",
        'Take the checkpoint of a DETR',
        '--cfg-options model.backbone.vision.weights=None',
    ):
        assert part in str(error.value)


def test_weights_of_another_tower_are_refused(vision_config, tmp_path):
    state = MODELS.build(vision_config).state_dict()
    path = str(tmp_path / 'tower.pth')
    save_state_file(state, path)
    vision_config.weights = path
    with pytest.raises(ValueError, match=r'other\.pth.*1 of 1 names .*Take the'):
        save_state_file({'neck.weight': torch.ones(1)}, str(tmp_path / 'other.pth'))
        MODELS.build(dict(vision_config, weights=str(tmp_path / 'other.pth')))
    vision_config.num_layers = 3
    with pytest.raises(ValueError, match=r'tower\.pth.*12 missing \(encoder.layers.2'):
        MODELS.build(vision_config)


@torch.no_grad()
def test_folded_norms_change_nothing_but_rounding(vision_config, images):
    tower = MODELS.build(vision_config).eval()
    folded = MODELS.build(dict(vision_config, fold_norms=True)).eval()
    folded.load_state_dict(tower.state_dict())
    assert type(folded.backbone.bn1) is not type(tower.backbone.bn1)
    torch.testing.assert_close(
        folded(*images).tokens, tower(*images).tokens, rtol=0, atol=1e-4
    )
