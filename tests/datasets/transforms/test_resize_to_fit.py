import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmdet.datasets.transforms import Resize
from mmdet.registry import TRANSFORMS
from mmdet.structures.bbox import HorizontalBoxes

edges = st.integers(16, 300)


def sample(width, height):
    box = torch.tensor([[width / 4, height / 4, width / 2, height / 2]])
    img = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    return dict(img=img, img_shape=(height, width), gt_bboxes=HorizontalBoxes(box))


@given(edges, edges, edges, edges)
@settings(deadline=None)
def test_image_fits_and_touches_the_rectangle(width, height, max_width, max_height):
    resize = TRANSFORMS.build(dict(type='ResizeToFit', scale=(max_width, max_height)))
    results = resize(sample(width, height))
    new_height, new_width = results['img'].shape[:2]
    assert results['img_shape'] == (new_height, new_width)
    assert new_width <= max_width and new_height <= max_height
    assert new_width == max_width or new_height == max_height
    # the ratio is kept up to whole pixels
    assert abs(new_width * height - new_height * width) <= max(width, height)
    x1, y1, x2, y2 = results['gt_bboxes'].tensor[0].tolist()
    assert (x1, x2) == pytest.approx((new_width / 4, new_width / 2), abs=1e-3)
    assert (y1, y2) == pytest.approx((new_height / 4, new_height / 2), abs=1e-3)
    factors = np.diag(results['homography_matrix'])[:2]
    assert factors == pytest.approx((new_width / width, new_height / height))


@given(edges, edges, edges)
def test_square_gives_the_pixels_of_mmdet_s_resize(width, height, side):
    ours = TRANSFORMS.build(dict(type='ResizeToFit', scale=(side, side)))
    theirs = Resize(scale=(side, side), keep_ratio=True)
    one, other = ours(sample(width, height)), theirs(sample(width, height))
    assert np.array_equal(one['img'], other['img'])
    assert one['scale_factor'] == other['scale_factor']
    assert torch.equal(one['gt_bboxes'].tensor, other['gt_bboxes'].tensor)


def test_random_choice_of_sizes_uses_it():
    scales = [(60, 30), (30, 60)]
    choice = TRANSFORMS.build(
        dict(type='RandomChoiceResize', scales=scales, resize_type='ResizeToFit')
    )
    shapes = {choice(sample(40, 40))['img'].shape[:2] for _ in range(20)}
    assert shapes == {(30, 30)}
    shapes = {choice(sample(80, 40))['img'].shape[:2] for _ in range(20)}
    assert shapes == {(30, 60), (15, 30)}


def test_image_of_which_nothing_is_left_is_refused():
    resize = TRANSFORMS.build(dict(type='ResizeToFit', scale=(64, 32)))
    assert resize(sample(2, 64))['img'].shape[:2] == (32, 1)
    with pytest.raises(ValueError, match='64x32 pixels, nothing is left of its width'):
        resize(sample(2, 160))
    with pytest.raises(ValueError, match='nothing is left of its height'):
        resize(sample(160, 1))
