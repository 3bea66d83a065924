"""Several target tokens; RECHead's tests have the one of REC."""

import pytest
import torch

from m2ist_mm.models.heads import RECHead, TokenFusion
from m2ist_mm.structures import Features, TowerFeatures

SIZES = dict(embed_dims=16, num_layers=2, num_heads=2, feedforward_channels=32)
VISION_MASK = torch.tensor([[False] * 5 + [True], [False, True] * 3])


def build_features():
    """Two images on a grid of 2 x 3, both with padding, and three expressions."""
    return Features(
        TowerFeatures(torch.randn(2, 6, 6), VISION_MASK, grid=(2, 3)),
        TowerFeatures(torch.randn(3, 4, 9), torch.zeros(3, 4, dtype=torch.bool)),
        torch.tensor([0, 1, 1]),
    )


@torch.no_grad()
def test_each_target_token_looks_at_both_modalities(stand_in):
    fusion = TokenFusion(
        dict(vision=stand_in(6, grid=(2, 3)), language=stand_in(9, max_tokens=5)),
        num_targets=3,
        **SIZES,
    )
    fusion.init_weights()
    fusion.eval()
    assert fusion.reg_token.weight.shape == (3, 16)
    assert fusion.position_embedding.weight.shape == (3 + 5 + 6, 16)
    features = build_features()
    targets, attention, vision, images = fusion.fuse(features, with_attention=True)
    assert vision.vision.tokens.shape == (3, 6, 16)
    assert vision.image_index.tolist() == [0, 1, 2]
    projected = fusion.vision_proj(features.vision.tokens)
    assert torch.equal(images.vision.tokens, projected)
    assert images.image_index is features.image_index
    assert targets.shape == (3, 3, 16)
    assert attention.shape == (3, 3, 6)
    assert (attention > 0).equal(
        ~VISION_MASK[features.image_index][:, None].repeat(1, 3, 1)
    )
    # padding of all images dropped: the same, at the same places of the grid
    cut = fusion.fuse(features.without_padding(), with_attention=True)
    torch.testing.assert_close(cut[0], targets)
    torch.testing.assert_close(cut[1], attention)
    places = features.without_padding().positions[features.image_index]
    assert torch.equal(cut.vision.positions, places)
    places = places[..., None].expand(-1, -1, 16)
    torch.testing.assert_close(
        cut.vision.vision.tokens, vision.vision.tokens.gather(1, places)
    )
    # targets differ, and so does each where a sentence or an image does
    table = targets.flatten(0, 1)
    distances = torch.cdist(table, table) + torch.eye(9)
    assert distances.min() > 1e-3


@torch.no_grad()
def test_attention_of_all_layers_and_heads_is_recorded(stand_in):
    towers = dict(vision=stand_in(6, grid=(2, 3)), language=stand_in(9, max_tokens=5))
    head = RECHead(
        towers, embed_dims=16, num_layers=3, num_heads=2, feedforward_channels=32
    ).eval()
    features = build_features()
    expected = head(features)
    with head.recording_attention() as recorded:
        boxes = head(features)
        head(features.without_padding())
    head(features)
    assert torch.equal(boxes, expected)
    whole, cut = recorded  # and nothing after the context
    assert whole.shape == (3, 1, 3, 2, 2, 3)
    torch.testing.assert_close(cut, whole)
    assert (whole > 0).equal(
        ~VISION_MASK[features.image_index].view(3, 1, 1, 1, 2, 3).expand_as(whole)
    )
    last = head.fuse(features, with_attention=True).attention
    torch.testing.assert_close(whole[:, :, -1].mean(2).flatten(2), last)
    # layers and heads differ
    assert torch.pdist(whole.flatten(4).sum((0, 1)).flatten(0, 1)).min() > 1e-3


def build_pooled(stand_in, pool=2):
    """A head on 4 x 6 tokens of the tower, and features of two images, both padded."""
    towers = dict(vision=stand_in(6, grid=(4, 6)), language=stand_in(9, max_tokens=5))
    head = RECHead(towers, refinements=2, pool=pool, **SIZES).eval()
    for parameter in head.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    mask = torch.zeros(2, 24, dtype=torch.bool)
    mask[0, 12:] = mask[1, 4:6] = mask[1, 10:12] = True
    features = build_features()
    features.vision = TowerFeatures(torch.randn(2, 24, 6), mask, grid=(4, 6))
    return head, features


@torch.no_grad()
def test_encoder_gets_averages_and_refinements_all_tokens(stand_in):
    head, features = build_pooled(stand_in)
    assert head.position_embedding.weight.shape == (1 + 5 + 6, 16)
    fused = head.fuse(features, with_attention=True)
    # three cells of the first image, five of the second
    assert fused.vision.vision.tokens.shape == (3, 5, 16)
    assert fused.vision.positions.tolist()[0][:3] == [0, 1, 2]
    assert fused.vision.positions.tolist()[1:] == 2 * [[0, 1, 3, 4, 5]]
    assert (fused.attention > 0).tolist() == [
        [[True] * 3 + [False] * 3],
        *2 * [[[True, True, False, True, True, True]]],
    ]
    assert fused.images.vision.tokens.shape == (2, 24, 16)
    # a projection without norm may come after the average
    state = {k: v for k, v in head.state_dict().items() if 'refine' not in k}
    small = RECHead(
        dict(vision=stand_in(6, grid=(2, 3)), language=stand_in(9, max_tokens=5)),
        **SIZES,
    ).eval()
    small.load_state_dict(state)
    expected = small.fuse(features.pooled((4, 6), 2))
    torch.testing.assert_close(fused.targets, expected.targets)


@torch.no_grad()
def test_padding_never_matters_where_tokens_are_pooled(stand_in):
    head, features = build_pooled(stand_in)
    expected = head(features)
    tokens, mask = features.vision.tokens, features.vision.mask[..., None]
    features.vision.tokens = tokens + 50 * mask
    torch.testing.assert_close(head(features), expected)
    torch.testing.assert_close(head(features.without_padding()), expected)
    with head.recording_attention() as recorded:
        head(features)
    assert recorded[0].shape == (3, 1, 2, 2, 2, 3)
    assert (recorded[0][0, ..., 1, :] == 0).all() and (recorded[0][0] > 0).any()
    features.vision.tokens = tokens + 50 * ~mask
    assert (head(features) - expected).abs().amax(1).min() > 1e-3


def test_pool_that_does_not_divide_the_grid_is_refused(stand_in):
    for pool in (0, 4):
        with pytest.raises(ValueError, match=f'pool={pool} .* 4 x 6 tokens'):
            build_pooled(stand_in, pool)
