import copy
import math
from dataclasses import replace

import pytest
import torch
from mmdet.registry import MODELS
from mmdet.structures.bbox import bbox_cxcywh_to_xyxy, bbox_xyxy_to_cxcywh
from torch import nn

from m2ist_mm.structures import Features, Placement, TowerFeatures


@pytest.fixture
def make_head(head_config, stand_in):
    """Builds a head without dropout; all weights drawn.

    It computes in double precision, but for the boxes, which are always float32.
    """

    def make(grid=(4, 3), max_tokens=8, **changes):
        config = copy.deepcopy(head_config)
        config.update(dict(dropout=0.0) | changes)
        config.towers = dict(
            vision=stand_in(32, grid=grid), language=stand_in(48, max_tokens=max_tokens)
        )
        torch.manual_seed(5)
        head = MODELS.build(config).double()
        for name, parameter in head.named_parameters():
            if 'norm' not in name:
                nn.init.normal_(parameter, std=0.3)
        head.bbox_mlp.float()
        for parameter in head.refinements.float().parameters():
            parameter.data /= 6  # boxes stay on the canvas
        return head

    return make


@pytest.fixture
def features():
    """Two images, the second with two expressions, both sides padded."""
    vision_mask = torch.zeros(2, 12, dtype=torch.bool)
    vision_mask[0, 7:] = True
    language_mask = torch.zeros(3, 6, dtype=torch.bool)
    language_mask[1, 4:] = language_mask[2, 2:] = True
    return Features(
        vision=TowerFeatures(torch.randn(2, 12, 32).double(), vision_mask),
        language=TowerFeatures(torch.randn(3, 6, 48).double(), language_mask),
        image_index=torch.tensor([0, 1, 1]),
    )


def square(tokens=None):
    """Vision features of two images of 4 x 4 tokens, without padding."""
    if tokens is None:
        tokens = torch.randn(2, 16, 32).double()
    return TowerFeatures(tokens, torch.zeros(2, 16, dtype=torch.bool))


def ungrouped(features):
    """The same expressions, each with an image of its own."""
    index = features.image_index
    vision = TowerFeatures(features.vision.tokens[index], features.vision.mask[index])
    return replace(features, vision=vision, image_index=torch.arange(len(index)))


# forward ------------------------------------------------------------------------------


@pytest.mark.parametrize('projection_norm', [False, True])
def test_boxes_come_from_reg_text_and_vision_with_their_positions(
    make_head, features, projection_norm
):
    head = make_head(projection_norm=projection_norm)
    state = head.state_dict()
    table = state['position_embedding.weight']
    assert table.shape == (1 + 8 + 12, 32)
    linear = {}
    for side in ('vision', 'language'):
        name = f'{side}_proj.0' if projection_norm else f'{side}_proj'
        x = getattr(features, side).tokens
        x = x @ state[f'{name}.weight'].T + state[f'{name}.bias']
        if projection_norm:
            scale, shift = (state[f'{side}_proj.1.{k}'] for k in ('weight', 'bias'))
            x = x - x.mean(-1, keepdim=True)
            x = x / (x.square().mean(-1, keepdim=True) + 1e-5).sqrt() * scale + shift
        linear[side] = x
    for number, image in enumerate([0, 1, 1]):
        # 6 of at most 8 text tokens: positions 7 and 8 are unused
        sequence = torch.cat(
            [
                state['reg_token.weight'],
                linear['language'][number],
                linear['vision'][image],
            ]
        )[None]
        position = torch.cat([table[:7], table[9:]])[None]
        mask = torch.cat(
            [
                torch.tensor([False]),
                features.language.mask[number],
                features.vision.mask[image],
            ]
        )[None]
        x = head.encoder(sequence, position, mask)[0][0, 0].float()
        for layer in (0, 2, 4):
            x = state[f'bbox_mlp.{layer}.weight'] @ x + state[f'bbox_mlp.{layer}.bias']
            x = x.clamp(min=0) if layer < 4 else 1 / (1 + torch.exp(-x))
        torch.testing.assert_close(head(features)[number], x.float(), rtol=0, atol=1e-6)


def test_boxes_are_float32_between_0_and_1(make_head, features):
    boxes = make_head()(features)
    assert boxes.shape == (3, 4)
    assert boxes.dtype == torch.float32
    assert boxes.min() > 0
    assert boxes.max() < 1


def test_boxes_are_not_rounded_to_bfloat16(make_head, features):
    head = make_head().float()
    for side in (features.vision, features.language):
        side.tokens = side.tokens.float()
    with torch.autocast('cpu', torch.bfloat16):
        logits = head(features).logit()
    assert ((logits - logits.bfloat16().float()).abs() > 1e-4).any()


@pytest.mark.parametrize('refinements', [0, 2])
def test_text_length_of_the_batch_does_not_matter(make_head, features, refinements):
    head = make_head(refinements=refinements)
    language = features.language
    longer = TowerFeatures(
        torch.cat([language.tokens, torch.randn(3, 2, 48).double()], dim=1),
        torch.cat([language.mask, torch.ones(3, 2, dtype=torch.bool)], dim=1),
    )
    longer = replace(features, language=longer)
    torch.testing.assert_close(head(longer), head(features), rtol=0, atol=1e-6)


@pytest.mark.parametrize('refinements', [0, 2])
@pytest.mark.parametrize('side', ['vision', 'language'])
def test_padding_never_matters(make_head, features, side, refinements):
    head = make_head(refinements=refinements)
    expected = head(features)
    given = getattr(features, side)
    mask = given.mask[..., None]
    padding = given.replace(tokens=given.tokens + 50.0 * mask)
    assert torch.equal(head(replace(features, **{side: padding})), expected)
    changed = given.replace(tokens=given.tokens + 50.0 * ~mask)
    boxes = head(replace(features, **{side: changed}))
    assert (boxes - expected).abs().amax(1).min() > 1e-3


@pytest.fixture
def padded(features):
    """The expressions, on images of 4 x 4 tokens, 4 and 7 of which are no padding."""
    places = torch.tensor([3, 4, 5, 9, 11, 12, 15])  # of the second image's tokens
    mask = torch.ones(2, 16, dtype=torch.bool)
    mask[0, 6:10] = mask[1, places] = False
    vision = TowerFeatures(torch.randn(2, 16, 32).double(), mask, grid=(4, 4))
    return replace(features, vision=vision)


def test_tokens_without_padding_know_their_places(padded):
    cut = padded.without_padding()
    assert cut.positions[0, :4].tolist() == [6, 7, 8, 9]
    assert cut.positions[1].tolist() == [3, 4, 5, 9, 11, 12, 15]
    assert cut.vision.mask.tolist() == [4 * [False] + 3 * [True], 7 * [False]]
    for image, places in enumerate(cut.positions):
        tokens = padded.vision.tokens[image, places]
        assert torch.equal(cut.vision.tokens[image], tokens)
    assert cut.vision.grid is None  # 7 tokens make no rows and columns
    assert cut.language is padded.language
    assert cut.image_index is padded.image_index


@pytest.mark.parametrize('refinements', [0, 2])
def test_padding_of_all_images_never_meets_the_encoder(make_head, padded, refinements):
    head = make_head(grid=(4, 4), loss_attention=1.0, refinements=refinements)
    lengths = []
    head.encoder.register_forward_pre_hook(
        lambda module, inputs: lengths.append(inputs[0].shape[1])
    )
    boxes, attention = boxes_and_attention(head, padded.without_padding())
    assert lengths == [1 + 6 + 7]
    # a third image without padding keeps all tokens in their places
    vision, language = padded.vision, padded.language
    third = Features(
        TowerFeatures(
            torch.cat([vision.tokens, torch.ones(1, 16, 32)]),
            torch.cat([vision.mask, torch.zeros(1, 16, dtype=torch.bool)]),
        ),
        TowerFeatures(
            torch.cat([language.tokens, language.tokens[:1]]),
            torch.cat([language.mask, language.mask[:1]]),
        ),
        torch.tensor([0, 1, 1, 2]),
    )
    for given in (third.without_padding(), third):
        whole, seen = boxes_and_attention(head, given)
        assert lengths[-1] == 1 + 6 + 16
        torch.testing.assert_close(boxes, whole[:3], rtol=0, atol=1e-6)
        torch.testing.assert_close(attention, seen[:3], rtol=0, atol=1e-6)
    assert (attention > 0)[:, 0].equal(~vision.mask[padded.image_index])


def boxes_and_attention(head, features):
    """What the head's ``loss`` compares."""
    compared = []
    compare = head.loss_by_feat
    head.loss_by_feat = lambda *arguments: compared.append(arguments)
    samples = ['samples']
    head.loss(features, samples)
    head.loss_by_feat = compare
    boxes, attention, given, _ = compared[0]
    assert given is samples
    return boxes, attention


@pytest.mark.parametrize('refinements', [0, 2])
def test_grouped_expressions_give_the_boxes_of_single_ones(
    make_head, features, refinements
):
    head = make_head(refinements=refinements)
    assert torch.equal(head(features), head(ungrouped(features)))


def test_grouped_expressions_give_the_gradients_of_single_ones(make_head, features):
    head = make_head()
    names = [name for name, _ in head.named_parameters()]
    gradients = []
    for batch in (features, ungrouped(features)):
        loss = (head(batch).double() - 0.3).abs().sum()
        gradients.append(torch.autograd.grad(loss, list(head.parameters())))
    for name, grouped, single in zip(names, *gradients, strict=True):
        assert grouped.any(), name
        torch.testing.assert_close(grouped, single, rtol=1e-5, atol=1e-8, msg=name)


def test_each_expression_gets_the_image_of_its_index(make_head, features):
    head = make_head()
    swapped = head(replace(features, image_index=torch.tensor([1, 0, 1])))
    expected = head(features)
    assert torch.equal(swapped[2], expected[2])
    assert (swapped[:2] - expected[:2]).abs().amax(1).min() > 1e-4


@pytest.mark.parametrize(
    ('changes', 'text'),
    [
        (dict(grid=(4, 4)), '4 x 4 vision tokens .* got 12 and 6'),
        (dict(grid=(3, 3)), '3 x 3 vision tokens .* got 12 and 6'),
        (dict(max_tokens=5), 'at most 5 text tokens, got 12 and 6'),
    ],
)
def test_wrong_number_of_tokens_is_refused(make_head, features, changes, text):
    with pytest.raises(ValueError, match=text):
        make_head(**changes)(features)


def test_refinements_correct_the_box_one_after_the_other(make_head, features):
    head = make_head(refinements=2)
    first, second = head.refinements
    plain = make_head()
    plain.load_state_dict(
        {k: v for k, v in head.state_dict().items() if 'refinements' not in k}
    )
    with torch.no_grad():
        fused = plain.fuse(features)
        inputs = fused.targets[:, 0].float(), fused.vision, fused.images
        once = clip(first(clip(plain(features)), *inputs))
        expected = clip(second(once, *inputs))
        torch.testing.assert_close(head(features), expected, rtol=0, atol=1e-6)
    assert (expected - once).abs().amax(1).min() > 1e-4


def clip(boxes):
    return bbox_xyxy_to_cxcywh(bbox_cxcywh_to_xyxy(boxes).clamp(0, 1))


def test_refined_boxes_stay_on_the_canvas(make_head, features):
    head = make_head(refinements=2)
    for refinement in head.refinements:
        refinement.mlp[4].bias.data[:] = torch.tensor([9.0, -9, -9, -9])
    with torch.no_grad():
        boxes = head(features)
    corners = bbox_cxcywh_to_xyxy(boxes)
    assert corners.min() >= -1e-6 and corners.max() <= 1 + 1e-6
    assert boxes[:, 2:].min() > 0


def test_untrained_refinements_leave_the_box(make_head, features):
    head = make_head(refinements=2)
    for refinement in head.refinements:
        nn.init.zeros_(refinement.mlp[4].weight)
        nn.init.zeros_(refinement.mlp[4].bias)
    with torch.no_grad():
        boxes = head.bbox_mlp(head.fuse(features)[0][:, 0].float()).sigmoid()
    torch.testing.assert_close(head(features), clip(boxes))


# loss ---------------------------------------------------------------------------------


def sample_of(make_sample, *args, **kwargs):
    return make_sample(*args, **kwargs)['data_samples']


def test_loss_by_hand(make_head, make_sample):
    # canvas: height 128, width 96
    head = make_head()
    samples = [
        sample_of(make_sample, 'a', [24, 32, 72, 96]),
        sample_of(make_sample, 'b', [0, 0, 48, 64]),
    ]
    boxes = torch.tensor([[0.5, 0.5, 0.5, 0.5], [0.75, 0.75, 0.5, 0.5]])
    losses = head.loss_by_feat(boxes, None, samples)
    # the first is exact; the second is (0.25, 0.25, 0.5, 0.5): L1 0.5 + 0.5, no
    # overlap, both of area 1/4 in a hull of area 1: GIoU = 0 - (1 - 1/2) / 1
    assert losses.keys() == {'loss_bbox', 'loss_iou'}
    assert losses['loss_bbox'].item() == pytest.approx((0 + 1) / 2)
    assert losses['loss_iou'].item() == pytest.approx((0 + 1.5) / 2, abs=1e-5)


def test_each_stage_has_a_loss_and_learns_from_its_own(
    make_head, make_sample, features
):
    head = make_head(refinements=2)
    samples = [
        sample_of(make_sample, 'a', [24, 32, 72, 96]),
        sample_of(make_sample, ('b', 'c'), [[0, 0, 48, 64], [0, 0, 96, 128]]),
    ]
    losses = head.loss(features, samples)
    names = {f'{s}loss_{k}' for s in ('', 'd0.', 'd1.') for k in ('bbox', 'iou')}
    assert losses.keys() == names
    (losses['loss_bbox'] + losses['loss_iou']).backward(retain_graph=True)
    first, second = head.refinements
    assert second.mlp[0].weight.grad.any()
    assert first.mlp[0].weight.grad is None and head.bbox_mlp[0].weight.grad is None
    (losses['d1.loss_bbox'] + losses['d0.loss_iou']).backward()
    assert first.mlp[0].weight.grad.any() and head.bbox_mlp[0].weight.grad.any()
    given = torch.full((3, 4), 0.5)
    compared = head.loss_by_feat(given, None, samples, [given / 2])
    for name, boxes in (('', given), ('d0.', given / 2)):
        alone = head.loss_by_feat(boxes, None, samples)
        assert compared[f'{name}loss_bbox'] == alone['loss_bbox']
        assert compared[f'{name}loss_iou'] == alone['loss_iou']


def test_loss_of_overlapping_boxes_by_hand(make_head, make_sample):
    samples = [sample_of(make_sample, 'a', [0, 0, 48, 64])]  # (0, 0, 0.5, 0.5)
    boxes = torch.tensor([[0.375, 0.25, 0.25, 0.5]])  # (0.25, 0, 0.5, 0.5)
    losses = make_head().loss_by_feat(boxes, None, samples)
    assert losses['loss_bbox'].item() == pytest.approx(0.125 + 0.25)
    assert losses['loss_iou'].item() == pytest.approx(1 - 0.5)


def test_loss_weights_and_kinds_are_configurable(make_head, make_sample):
    samples = [sample_of(make_sample, 'a', [0, 0, 48, 64])]
    boxes = torch.tensor([[0.375, 0.25, 0.25, 0.5]])
    losses = make_head(
        loss_bbox=dict(type='L1Loss', loss_weight=5.0),
        loss_iou=dict(type='IoULoss', mode='linear', loss_weight=2.0),
    ).loss_by_feat(boxes, None, samples)
    assert losses['loss_bbox'].item() == pytest.approx(5 * 0.375)
    assert losses['loss_iou'].item() == pytest.approx(2 * 0.5)


def test_loss_refuses_boxes_in_pixels_of_the_original_image(make_head, make_sample):
    head, boxes = make_head(), torch.full((1, 4), 0.5)
    sample = sample_of(make_sample, 'red', [0, 0, 9, 9], box_frame='image')
    with pytest.raises(ValueError, match='0.jpg: .* original image, .* load it first'):
        head.loss_by_feat(boxes, None, [sample])


def test_attention_loss_by_hand(make_head, make_sample):
    head = make_head(grid=(4, 4), loss_attention=2.0)
    # columns 1 and 2, row 0 of a 4 x 4 map: the box ends inside their cells
    sample = sample_of(make_sample, 'a', [30, 10, 60, 20])
    attention = torch.zeros(1, 1, 16)
    attention[0, 0, [1, 2, 5, 15]] = torch.tensor([0.2, 0.1, 0.3, 0.4])
    boxes = torch.full((1, 4), 0.5)
    losses = head.loss_by_feat(boxes, attention, [sample])
    assert losses['loss_attention'].item() == pytest.approx(-2 * math.log(0.3))
    attention[0, 0, [1, 2]] = 0
    nothing = head.loss_by_feat(boxes, attention, [sample])['loss_attention']
    assert nothing.item() == pytest.approx(-2 * math.log(1e-4))


def test_attention_loss_on_a_grid_that_is_not_square(make_head, make_sample):
    head = make_head(grid=(4, 3), loss_attention=1.0)
    # 4 rows of 32 and 3 columns of 32 pixels: columns 1 and 2, row 3
    sample = sample_of(make_sample, 'a', [40, 100, 90, 120])
    attention = torch.full((1, 1, 12), 1 / 32)
    attention[0, 0, [10, 11]] = torch.tensor([0.25, 0.125])
    losses = head.loss_by_feat(torch.full((1, 4), 0.5), attention, [sample])
    assert losses['loss_attention'].item() == pytest.approx(-math.log(0.375))


def test_attention_loss_reaches_the_encoder_and_leaves_the_boxes(make_head, features):
    features = replace(features, vision=square())
    with_loss = make_head(grid=(4, 4), loss_attention=1.0)
    without = make_head(grid=(4, 4))
    boxes, attention = boxes_and_attention(with_loss, features)
    expected, none = boxes_and_attention(without, features)
    assert none is None and attention.shape == (3, 1, 16)
    torch.testing.assert_close(boxes, expected)
    torch.testing.assert_close(without(features), expected)
    attention[:, 0, 0].sum().backward()
    assert with_loss.vision_proj.weight.grad.abs().max() > 0


@pytest.mark.parametrize('grid', [(4, 4), (4, 3)])
def test_position_in_values_adds_a_sine_encoding_to_the_tokens(
    make_head, features, grid
):
    head = make_head(grid=grid, position_in_values=True)
    head.init_weights()
    count = grid[0] * grid[1]
    table = head.position_embedding.weight[-count:].view(*grid, 32)
    # first half of the channels: the row; second half: the column
    assert torch.equal(table[2, 0, :16], table[2, grid[1] - 1, :16])
    assert torch.equal(table[0, 1, 16:], table[3, 1, 16:])
    turn = 2 * math.pi * 2 / 4
    assert table[1, 0, 0].item() == pytest.approx(math.sin(turn), abs=1e-5)
    assert table[1, 0, 1].item() == pytest.approx(math.cos(turn), abs=1e-5)
    turn = 2 * math.pi * 2 / grid[1]
    assert table[0, 1, 16].item() == pytest.approx(math.sin(turn), abs=1e-5)
    added = []
    head.encoder.register_forward_pre_hook(lambda _, args: added.append(args))
    nothing = torch.zeros(2, count, 32).double()
    mask = torch.zeros(2, count, dtype=torch.bool)
    head(replace(features, vision=TowerFeatures(nothing, mask)))
    sequence, position, *_ = added[0]
    vision = sequence[0, -count:] - head.vision_proj.bias
    torch.testing.assert_close(vision, position[0, -count:])


def test_loss_of_grouped_expressions_is_that_of_single_ones(make_head, make_sample):
    head = make_head()
    bboxes = torch.tensor([[5.0, 9, 60, 70], [10, 20, 30, 100], [40, 3, 90, 50]])
    boxes = torch.rand(3, 4) / 2 + 0.2
    grouped = [
        sample_of(make_sample, 'a', bboxes[:1]),
        sample_of(make_sample, ('b', 'c'), bboxes[1:]),
    ]
    single = [sample_of(make_sample, 'x', box) for box in bboxes]
    expected = head.loss_by_feat(boxes, None, single)
    for name, value in head.loss_by_feat(boxes, None, grouped).items():
        assert value == expected[name]
    # a box belongs to the expression of its label, wherever it stands
    instances = grouped[1].gt_instances
    grouped[1].gt_instances = instances[torch.tensor([1, 0])]
    for name, value in head.loss_by_feat(boxes, None, grouped).items():
        assert value == expected[name]
    grouped[1].gt_instances.labels[:] = 0
    with pytest.raises(ValueError, match='the expression has 2 boxes, not one'):
        head.loss_by_feat(boxes, None, grouped)


# predict ------------------------------------------------------------------------------


def test_prediction_is_in_pixels_of_the_original_image(make_head, make_sample):
    # 160 wide and 60 high, resized by 0.5 and 0.6 to 80 × 36, at (10, 64) in the canvas
    sample = sample_of(
        make_sample,
        'a',
        [0, 0, 1, 1],
        placement=Placement(
            ori_shape=(60, 160),
            canvas=(128, 96),
            scale=(0.5, 0.6),
            offset=(10, 64),
            window=(0, 0, 160, 60),
        ),
    )
    # canvas pixels (22, 70) … (62, 88) as relative cxcywh
    boxes = torch.tensor([[42 / 96, 79 / 128, 40 / 96, 18 / 128]])
    (instances,) = make_head().predict_by_feat(boxes, [sample])
    expected = torch.tensor([[12 / 0.5, 6 / 0.6, 52 / 0.5, 24 / 0.6]])
    torch.testing.assert_close(instances.bboxes, expected, rtol=0, atol=1e-4)
    assert instances.labels.tolist() == [0]


def test_prediction_is_clipped_to_the_image(make_head, make_sample):
    placement = Placement.identity((50, 40)).pad(20, 30, (128, 96))
    sample = sample_of(make_sample, 'a', [0, 0, 1, 1], placement=placement)
    boxes = torch.tensor([[0.5, 0.5, 1.0, 1.0]])
    (instances,) = make_head().predict_by_feat(boxes, [sample])
    assert instances.bboxes.tolist() == [[0, 0, 40, 50]]


def test_sample_without_a_placement_is_refused(make_head, make_sample):
    sample = sample_of(make_sample, 'a', [0, 0, 1, 1])
    del sample.placement
    with pytest.raises(ValueError, match='0.jpg: .* end the pipeline with PackREC'):
        make_head().predict_by_feat(torch.full((1, 4), 0.5), [sample])


def test_predictions_of_grouped_expressions_come_by_image(make_head, make_sample):
    samples = [
        sample_of(make_sample, ('a', 'b'), [[0, 0, 1, 1]] * 2),
        sample_of(make_sample, 'c', [0, 0, 1, 1]),
    ]
    boxes = torch.tensor([[0.5, 0.5, w, 0.5] for w in (0.25, 0.5, 1.0)])
    first, second = make_head().predict_by_feat(boxes, samples)
    assert first.bboxes[:, 0].tolist() == [36, 24]
    assert second.bboxes[:, 0].tolist() == [0]
    assert first.labels.tolist() == [0, 1]


def test_no_score_is_invented(make_head, make_sample):
    sample = sample_of(make_sample, 'a', [0, 0, 1, 1])
    (instances,) = make_head().predict_by_feat(torch.rand(1, 4), [sample])
    assert set(instances.keys()) == {'bboxes', 'labels'}


def test_prediction_undoes_the_targets_of_the_loss(make_head, make_sample):
    truth = torch.tensor([[13.0, 21, 57, 99]])
    sample = sample_of(make_sample, 'a', truth)
    boxes = torch.tensor([[35 / 96, 60 / 128, 44 / 96, 78 / 128]])
    head = make_head()
    assert head.loss_by_feat(boxes, None, [sample])['loss_bbox'] < 1e-6
    torch.testing.assert_close(head.predict_by_feat(boxes, [sample])[0].bboxes, truth)
