import mmcv
import numpy as np
import pytest
import torch
from hypothesis import assume, given, reject, settings
from hypothesis import strategies as st
from mmdet.registry import TRANSFORMS
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import HorizontalBoxes
from mmengine.registry import init_default_scope

from m2ist_mm.structures import Placement, find_box_frame


def build(width, height, boxes):
    """A bright image without a dark pixel, and boxes that know their number."""
    return dict(
        img=np.full((height, width, 3), 200, np.uint8),
        img_shape=(height, width),
        ori_shape=(height, width),
        text=['left block'],
        gt_bboxes=HorizontalBoxes(torch.tensor(boxes, dtype=torch.float32)),
        gt_bboxes_labels=np.arange(len(boxes)),
        gt_ignore_flags=np.zeros(len(boxes), bool),
    )


def run(steps, results, seed=0):
    init_default_scope('mmdet')
    np.random.seed(seed)
    for step in steps:
        results = TRANSFORMS.build(step)(results)
        if results is None:  # mmdet's RandomCrop has left no box
            reject()
    return results


@st.composite
def images(draw):
    width, height = draw(st.integers(30, 300)), draw(st.integers(30, 300))
    boxes = []
    for _ in range(draw(st.integers(1, 3))):
        x1, y1 = draw(st.floats(0, width - 2)), draw(st.floats(0, height - 2))
        x2, y2 = draw(st.floats(x1 + 1, width)), draw(st.floats(y1 + 1, height))
        boxes.append([x1, y1, x2, y2])
    return build(width, height, boxes)


SIDES = st.integers(40, 400)
RESIZES = st.one_of(
    st.builds(
        lambda w, h, keep: dict(type='Resize', scale=(w, h), keep_ratio=keep),
        SIDES,
        SIDES,
        st.booleans(),
    ),
    st.builds(
        lambda sides: dict(
            type='RandomChoiceResize',
            scales=sides,
            resize_type='ResizeShortestEdge',
            max_size=500,
        ),
        st.lists(SIDES, min_size=1, max_size=3),
    ),
    st.builds(
        lambda sides: dict(
            type='RandomChoiceResize',
            scales=[(side, side) for side in sides],
            resize_type='Resize',
            keep_ratio=True,
        ),
        st.lists(SIDES, min_size=1, max_size=3),
    ),
)
FLIPS = st.one_of(
    st.just(dict(type='RECRandomFlip', prob=0.7)),
    st.builds(
        lambda direction: dict(type='RandomFlip', prob=0.7, direction=direction),
        st.sampled_from(['horizontal', 'vertical', 'diagonal']),
    ),
)
CROPS = st.one_of(
    st.builds(
        lambda small, more: dict(
            type='ReferentCrop', min_size=small, max_size=small + more
        ),
        st.integers(20, 100),
        st.integers(0, 100),
    ),
    st.builds(
        lambda *size: dict(type='RandomCrop', crop_size=size),
        st.integers(20, 200),
        st.integers(20, 200),
    ),
)
PADS = st.builds(
    lambda position, extra: dict(
        type='PadToCanvas', size=(500 + extra, 600), position=position
    ),
    st.sampled_from(['random', 'center']),
    st.integers(0, 100),
)
MOVES = st.lists(st.one_of(RESIZES, FLIPS, CROPS), max_size=4)
AFTER_PADDING = st.lists(st.one_of(FLIPS, CROPS), max_size=2)


def check(results, boxes, tolerance):
    placement = Placement.read(results)
    on_canvas = placement.to_canvas(boxes)
    back = placement.to_image(on_canvas)
    assert (back - boxes).abs().max() < 0.01

    bright = results['img'][..., 0] > 100
    rows, columns = bright.any(1).nonzero()[0], bright.any(0).nonzero()[0]
    found = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
    assert np.abs(np.subtract(placement.region, found)).max() <= tolerance

    # as the transforms have moved and clipped them
    edges = placement.to_canvas(torch.tensor(placement.window, dtype=torch.float64))
    clipped = on_canvas.maximum(edges[[0, 1, 0, 1]]).minimum(edges[[2, 3, 2, 3]])
    moved = results['gt_bboxes'].tensor
    expected = clipped[results['gt_bboxes_labels'].tolist()]
    torch.testing.assert_close(moved.double(), expected, rtol=0, atol=0.01)
    assert find_box_frame(moved, boxes, placement) in ('canvas', None)
    assert find_box_frame(boxes, boxes, placement) in ('image', None)


@given(images(), MOVES, PADS, AFTER_PADDING, st.integers(0, 2**31))
@settings(deadline=None, max_examples=100)
def test_boxes_and_pixels_are_where_the_placement_says(image, moves, pad, after, seed):
    boxes = image['gt_bboxes'].tensor.double()
    check(run([*moves, pad, *after], image, seed), boxes, tolerance=0)


@given(images(), MOVES, PADS, AFTER_PADDING, RESIZES, st.integers(0, 2**31))
@settings(deadline=None, max_examples=50)
def test_a_canvas_may_be_resized(image, moves, pad, after, resize, seed):
    boxes = image['gt_bboxes'].tensor.double()
    results = run([*moves, pad, *after, resize], image, seed)
    left, top, right, bottom = Placement.read(results).region
    assume(min(right - left, bottom - top) > 2)  # what is thinner fades
    # the edge between image and padding is blurred
    check(results, boxes, tolerance=1)


BOX = torch.tensor([[20.0, 10, 60, 50]])


def test_steps_compose():
    # 160 wide and 60 high; the right half, three times as large, mirrored, padded
    results = build(160, 60, BOX.tolist())
    placement = Placement.identity((60, 160)).crop(80, 0, (60, 80))
    assert placement.region == (0, 0, 80, 60)
    results['img'] = results['img'][:, 80:]
    placement.write(results)
    steps = [
        dict(type='Resize', scale=(240, 180)),
        dict(type='RandomFlip', prob=1.0),
        dict(type='PadToCanvas', size=(300, 200)),
    ]
    del results['gt_bboxes']
    placement = Placement.read(run(steps, results))
    assert placement.canvas == (200, 300)
    assert placement.ori_shape == (60, 160)
    assert placement.window == (80, 0, 160, 60)
    assert placement.region == (30, 10, 270, 190)
    box = torch.tensor([[90.0, 10, 160, 60]])
    assert placement.to_canvas(box).tolist() == [[30, 40, 240, 190]]
    assert placement.to_image(placement.to_canvas(box)).tolist() == box.tolist()


def test_boxes_are_clipped_to_the_image_on_demand():
    placement = Placement.identity((60, 160)).pad(10, 50, (160, 180))
    outside = torch.tensor([[0.0, 0, 180, 160]])
    assert placement.to_image(outside).tolist() == [[-10, -50, 170, 110]]
    assert placement.to_image(outside, clip=True).tolist() == [[0, 0, 160, 60]]
    assert placement.to_image(torch.zeros(0, 4)).shape == (0, 4)


def test_integer_boxes_become_floating_point():
    placement = Placement(
        (60, 160), (30, 80), (0.5, -0.5), (0.25, 30.0), (0.0, 0.0, 160.0, 60.0)
    )
    boxes = torch.tensor([[1, 10, 20, 51]])
    on_canvas = placement.to_canvas(boxes)
    assert on_canvas.tolist() == [[0.75, 4.5, 10.25, 25]]
    assert placement.to_image(torch.tensor([[1, 4, 10, 25]])).tolist() == [
        [1.5, 10, 19.5, 52]
    ]
    assert placement.to_image(on_canvas, clip=True).tolist() == boxes.tolist()
    assert placement.to_canvas(boxes.double()).dtype == torch.float64


@pytest.mark.parametrize(
    ('steps', 'message'),
    [
        (
            [dict(type=mmcv.transforms.Resize, scale=(80, 30))],
            '160x60 .* 80x30 .* no step',
        ),
        ([dict(type=mmcv.transforms.RandomFlip, prob=1.0)], 'flip: True'),
        ([dict(type='Rotate', level=5, prob=1.0)], 'rotates or shears'),
        (
            [
                dict(type='RandomCrop', crop_size=(80, 60)),
                dict(type='Pad', size_divisor=32),
            ],
            'PadToCanvas instead',
        ),
    ],
)
def test_moves_that_are_not_known_are_refused(steps, message):
    results = build(160, 60, BOX.tolist())
    del results['gt_bboxes']  # mmcv's steps cannot take mmdet's
    results = run(steps, results)
    with pytest.raises(ValueError, match=message):
        Placement.read(results)


def test_mmdet_s_padding_of_a_whole_image_is_known():
    steps = [dict(type='Resize', scale=(80, 30)), dict(type='Pad', size=(96, 64))]
    placement = Placement.read(run(steps, build(160, 60, BOX.tolist())))
    assert (placement.canvas, placement.region) == ((64, 96), (0, 0, 80, 30))


def test_sample_without_a_placement_says_what_to_do():
    sample = DetDataSample(metainfo=dict(img_path='a.jpg'))
    with pytest.raises(ValueError, match='a.jpg: .* end the pipeline with PackREC'):
        Placement.of(sample)
