import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmdet.structures.bbox import HorizontalBoxes

from m2ist_mm.datasets import PadToCanvas
from m2ist_mm.structures import Placement


def build(width, height):
    return dict(
        img=np.full((height, width, 3), 7, np.uint8),
        ori_shape=(height, width),
        gt_bboxes=HorizontalBoxes(torch.tensor([[1.0, 2.0, 5.0, 6.0]])),
    )


def region_of(results):
    return Placement.read(results).region


@given(
    st.integers(6, 40),
    st.integers(7, 30),
    st.sampled_from(['random', 'center']),
    st.integers(0, 1000),
)
@settings(deadline=None)
def test_image_boxes_and_mask_agree(width, height, position, seed):
    np.random.seed(seed)
    padded = PadToCanvas((40, 30), position)(build(width, height))
    left, top, right, bottom = region_of(padded)
    assert padded['img'].shape == (30, 40, 3)
    assert padded['img_shape'] == (30, 40)
    assert (right - left, bottom - top) == (width, height)
    mask = np.zeros((30, 40), bool)
    mask[top:bottom, left:right] = True
    assert np.array_equal(padded['img'][..., 0], 7 * mask)
    assert padded['gt_bboxes'].tensor.tolist() == [
        [1 + left, 2 + top, 5 + left, 6 + top]
    ]


@pytest.mark.parametrize('spare', range(12))
def test_centre_is_where_the_reference_puts_it(spare):
    padded = PadToCanvas((20 + spare, 20), 'center')(build(20, 20))
    assert region_of(padded)[:2] == (round(spare / 2 - 0.1), 0)


def test_random_offsets_reach_both_ends():
    np.random.seed(0)
    pad = PadToCanvas((23, 20), 'random')
    assert {region_of(pad(build(20, 20)))[:2] for _ in range(100)} == {
        (left, 0) for left in range(4)
    }


def test_truth_that_is_loaded_later_is_no_hindrance():
    results = build(10, 10)
    del results['gt_bboxes']
    assert region_of(PadToCanvas((20, 20))(results)) == (5, 5, 15, 15)


@pytest.mark.parametrize(('width', 'height'), [(41, 10), (10, 31)])
def test_image_larger_than_the_canvas_is_refused(width, height):
    with pytest.raises(ValueError, match=f'{width}x{height} does not fit .* 40x30'):
        PadToCanvas((40, 30))(build(width, height))


def test_unknown_position_is_refused():
    with pytest.raises(ValueError, match="'random' or 'center'"):
        PadToCanvas((40, 30), 'left')
