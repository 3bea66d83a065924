"""Several target tokens; RECHead's tests have the one of REC."""

import torch

from m2ist_mm.models.heads import RECHead, TokenFusion
from m2ist_mm.structures import Features, TowerFeatures

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
        embed_dims=16,
        num_layers=2,
        num_heads=2,
        feedforward_channels=32,
    )
    fusion.init_weights()
    fusion.eval()
    assert fusion.reg_token.weight.shape == (3, 16)
    assert fusion.position_embedding.weight.shape == (3 + 5 + 6, 16)
    features = build_features()
    targets, attention, vision = fusion.fuse(features, with_attention=True)
    assert vision.shape == (3, 6, 16)
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
    places = places[..., None].expand(-1, -1, 16)
    torch.testing.assert_close(cut[2], vision.gather(1, places))
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
