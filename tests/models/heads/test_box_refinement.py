import pytest
import torch
import torch.nn.functional as F
from torch import nn

from m2ist_mm.models.heads.box_refinement import BoxPoints, BoxRefinement
from m2ist_mm.structures import Features, TowerFeatures

GRID = (4, 5)  # rows and columns
BOXES = torch.tensor([[0.5, 0.5, 0.4, 0.6], [0.1, 0.1, 0.2, 0.2], [0.9, 0.6, 0.2, 0.8]])


def build(drawn=True):
    refinement = BoxRefinement(8, (2, 3), GRID)
    if drawn:
        draw(refinement)
    return refinement


def draw(module):
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.2)
    return module


def build_features(grid=GRID):
    """Two images, the second with two expressions."""
    count = grid[0] * grid[1]
    mask = torch.zeros(2, count, dtype=torch.bool)
    language = TowerFeatures(torch.zeros(3, 1, 9), torch.zeros(3, 1, dtype=torch.bool))
    vision = TowerFeatures(torch.randn(2, count, 8), mask, grid=grid)
    return Features(vision, language, torch.tensor([0, 1, 1]))


def build_inputs():
    return torch.randn(3, 8), build_features((2, 3)), build_features()


# points -------------------------------------------------------------------------------


@pytest.mark.parametrize('points', [2, 3])
def test_samples_are_bilinear_from_edge_to_edge(points):
    module, features = draw(BoxPoints(8, GRID, points, channels=7)), build_features()
    maps = module.proj(features.vision.tokens)[features.image_index]
    maps = maps.transpose(1, 2).unflatten(2, GRID)
    samples = module(BOXES, features).unflatten(1, (points**2, 7))
    along = torch.linspace(-0.5, 0.5, points)
    for image, box, found in zip(maps, BOXES, samples, strict=True):
        x, y, width, height = box.tolist()
        at = [
            [2 * (x + i * width) - 1, 2 * (y + j * height) - 1]
            for j in along
            for i in along
        ]
        expected = F.grid_sample(
            image[None],
            torch.tensor([[at]]),
            padding_mode='border',
            align_corners=False,
        )
        torch.testing.assert_close(found, expected[0, :, 0].T)


def test_padding_is_not_read_and_may_be_left_out():
    module, features = draw(BoxPoints(8, GRID, 3)), build_features()
    features.vision.mask[:] = True
    features.vision.mask[0, 5:10] = features.vision.mask[1, 3:19] = False
    expected = module(BOXES, features)
    mask = features.vision.mask[..., None]
    tokens = features.vision.tokens
    features.vision.tokens = tokens + 50 * mask
    assert torch.equal(module(BOXES, features), expected)
    cut = features.without_padding()
    assert cut.vision.tokens.shape[1] == 16
    torch.testing.assert_close(module(BOXES, cut), expected)
    features.vision.tokens = tokens + 50 * ~mask
    assert (module(BOXES, features) - expected).abs().amax(1).min() > 1e-3


def test_a_box_where_all_is_padding_is_finite():
    features = build_features()
    features.vision.mask[:] = True
    assert BoxPoints(8, GRID, 3)(BOXES, features).isfinite().all()


# corrections --------------------------------------------------------------------------


def test_it_begins_as_the_identity():
    assert torch.equal(build(False)(BOXES, *build_inputs()), BOXES)


def test_corrections_by_hand():
    refinement, (target, vision, images) = build(), build_inputs()
    samples = refinement.vision(BOXES, vision), refinement.images(BOXES, images)
    assert [one.shape[1] for one in samples] == [9 * 64, 25 * 64]
    output = refinement.mlp(torch.cat([*samples, target], 1)).clamp(-4, 4) / 2
    centre = BOXES[:, :2] + output[:, :2] * BOXES[:, 2:]
    size = BOXES[:, 2:] * output[:, 2:].exp()
    boxes = refinement(BOXES, target, vision, images)
    torch.testing.assert_close(boxes, torch.cat([centre, size], 1))
    assert (boxes - BOXES).abs().amax(1).min() > 1e-3


def test_corrections_are_bounded_and_the_gradient_stops_at_the_box():
    refinement, (target, *tokens) = build(), build_inputs()
    boxes = BOXES.clone().requires_grad_()
    corrected = refinement(boxes, 1e4 * target, *tokens)
    ratio = corrected[:, 2:] / BOXES[:, 2:]
    assert ratio.min() > 0.13 and ratio.max() < 7.4  # exp of -2 and 2
    assert ((corrected - BOXES)[:, :2].abs() <= 2 * BOXES[:, 2:] + 1e-6).all()
    refinement(boxes, target, *tokens).sum().backward()
    assert boxes.grad is None
    assert all(p.grad.abs().sum() > 0 for p in refinement.parameters())
