import torch
import torch.nn.functional as F
from torch import nn

from m2ist_mm.models.heads.box_refinement import BoxRefinement
from m2ist_mm.structures import Features, TowerFeatures

GRID = (4, 5)  # rows and columns
BOXES = torch.tensor([[0.5, 0.5, 0.4, 0.6], [0.1, 0.1, 0.2, 0.2], [0.9, 0.6, 0.2, 0.8]])


def build(drawn=True):
    refinement = BoxRefinement(8, GRID, points=3, point_channels=7)
    if drawn:
        for parameter in refinement.parameters():
            nn.init.normal_(parameter, std=0.2)
    return refinement


def build_features():
    """Two images, the second with two expressions."""
    mask = torch.zeros(2, 20, dtype=torch.bool)
    language = TowerFeatures(torch.zeros(3, 1, 9), torch.zeros(3, 1, dtype=torch.bool))
    vision = TowerFeatures(torch.randn(2, 20, 8), mask, grid=GRID)
    return Features(vision, language, torch.tensor([0, 1, 1]))


def correct(refinement, boxes, target, features):
    tokens = features.vision.tokens[features.image_index]
    return refinement(boxes, target, tokens, features)


def test_it_begins_as_the_identity():
    boxes = correct(build(False), BOXES, torch.randn(3, 8), build_features())
    assert torch.equal(boxes, BOXES)


def test_boxes_by_bilinear_samples_from_edge_to_edge():
    refinement, features, target = build(), build_features(), torch.randn(3, 8)
    tokens = refinement.point_proj(features.vision.tokens)[features.image_index]
    maps = tokens.transpose(1, 2).unflatten(2, GRID)
    expected = []
    for image, box, token in zip(maps, BOXES, target, strict=True):
        x, y, width, height = box.tolist()
        points = [
            [2 * (x + i * width) - 1, 2 * (y + j * height) - 1]
            for j in (-0.5, 0, 0.5)
            for i in (-0.5, 0, 0.5)
        ]
        samples = F.grid_sample(
            image[None],
            torch.tensor([[points]]),
            padding_mode='border',
            align_corners=False,
        )
        points = samples[0, :, 0].T.flatten()
        dx, dy, dw, dh = refinement.mlp(torch.cat([points, token])).clamp(-4, 4)
        centre = [x + dx / 2 * width, y + dy / 2 * height]
        size = [width * torch.exp(dw / 2), height * torch.exp(dh / 2)]
        expected.append(torch.stack([*centre, *size]))
    boxes = correct(refinement, BOXES, target, features)
    torch.testing.assert_close(boxes, torch.stack(expected))
    assert (boxes - BOXES).abs().amax(1).min() > 1e-3


def test_padding_is_not_read_and_may_be_left_out():
    refinement, features, target = build(), build_features(), torch.randn(3, 8)
    features.vision.mask[:] = True
    features.vision.mask[0, 5:10] = features.vision.mask[1, 3:19] = False
    expected = correct(refinement, BOXES, target, features)
    mask = features.vision.mask[..., None]
    tokens = features.vision.tokens
    features.vision.tokens = tokens + 50 * mask
    assert torch.equal(correct(refinement, BOXES, target, features), expected)
    cut = features.without_padding()
    assert cut.vision.tokens.shape[1] == 16
    torch.testing.assert_close(correct(refinement, BOXES, target, cut), expected)
    features.vision.tokens = tokens + 50 * ~mask
    assert (correct(refinement, BOXES, target, features) - expected).abs().amax(
        1
    ).min() > 1e-3


def test_a_box_where_all_is_padding_is_finite():
    features = build_features()
    features.vision.mask[:] = True
    assert correct(build(), BOXES, torch.randn(3, 8), features).isfinite().all()


def test_corrections_are_bounded_and_the_gradient_stops_at_the_box():
    refinement = build()
    boxes = BOXES.clone().requires_grad_()
    corrected = correct(refinement, boxes, 1e4 * torch.randn(3, 8), build_features())
    ratio = corrected[:, 2:] / BOXES[:, 2:]
    assert ratio.min() > 0.13 and ratio.max() < 7.4  # exp of -2 and 2
    assert ((corrected - BOXES)[:, :2].abs() <= 2 * BOXES[:, 2:] + 1e-6).all()
    correct(refinement, boxes, torch.randn(3, 8), build_features()).sum().backward()
    assert boxes.grad is None
    assert all(p.grad.abs().sum() > 0 for p in refinement.parameters())
