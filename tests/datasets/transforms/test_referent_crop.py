import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmdet.structures.bbox import HorizontalBoxes

from m2ist_mm.datasets import ReferentCrop


def build(width, height, boxes):
    """An image whose pixels tell where they were: blue x, green y, modulo 251."""
    img = np.zeros((height, width, 3), np.uint8)
    img[..., 0] = np.arange(width) % 251
    img[..., 1] = np.arange(height)[:, None] % 251
    return dict(
        img=img,
        img_shape=(height, width),
        ori_shape=(height, width),
        gt_bboxes=HorizontalBoxes(torch.tensor(boxes, dtype=torch.float32)),
    )


@st.composite
def images(draw):
    width, height = draw(st.integers(20, 250)), draw(st.integers(20, 250))
    boxes = []
    for _ in range(draw(st.integers(1, 4))):
        x1, y1 = draw(st.floats(0, width - 2)), draw(st.floats(0, height - 2))
        x2, y2 = draw(st.floats(x1 + 1, width)), draw(st.floats(y1 + 1, height))
        boxes.append([x1, y1, x2, y2])
    return width, height, boxes


@given(images(), st.integers(0, 2**31))
@settings(deadline=None)
def test_every_centre_stays_and_boxes_move_with_the_image(image, seed):
    width, height, boxes = image
    np.random.seed(seed)
    cropped = ReferentCrop(min_size=60, max_size=120)(build(width, height, boxes))
    crop_height, crop_width = cropped['img'].shape[:2]
    assert cropped['img_shape'] == (crop_height, crop_width)
    left, top = cropped['img'][0, 0, :2].astype(int)

    old = np.array(boxes, np.float32)
    new = cropped['gt_bboxes'].tensor.numpy()
    expected = old - [left, top, left, top]
    expected[:, 0::2] = expected[:, 0::2].clip(0, crop_width)
    expected[:, 1::2] = expected[:, 1::2].clip(0, crop_height)
    np.testing.assert_allclose(new, expected, atol=1e-3)

    centres = (old[:, :2] + old[:, 2:]) / 2 - [left, top]
    assert (centres >= 0).all()
    assert (centres <= [crop_width, crop_height]).all()
    assert (new[:, 2:] > new[:, :2]).all()
    if len(boxes) == 1:
        for size, length in ((crop_width, width), (crop_height, height)):
            assert min(60, length) <= size <= min(120, length)


def test_windows_and_places_take_all_allowed_values():
    np.random.seed(0)
    crop = ReferentCrop(min_size=10, max_size=12)
    lefts, widths = set(), set()
    for _ in range(500):
        img = crop(build(30, 30, [[10, 10, 20, 20]]))['img']
        lefts.add(int(img[0, 0, 0]))
        widths.add(img.shape[1])
    assert widths == {10, 11, 12}
    # The centre is 15: a window of 12 starts from 3 on, and none later than 15.
    assert lefts == set(range(3, 16))


def test_window_grows_to_reach_all_referents():
    boxes = [[0, 0, 4, 4], [90, 90, 100, 100]]
    cropped = ReferentCrop(min_size=20, max_size=30)(build(100, 100, boxes))
    assert cropped['img'].shape[0] >= 93
    assert (cropped['gt_bboxes'].areas > 0).all()


def test_small_image_keeps_its_size():
    cropped = ReferentCrop()(build(100, 50, [[10, 10, 20, 20]]))
    assert cropped['img'].shape == (50, 100, 3)


def test_impossible_sizes_are_refused():
    with pytest.raises(ValueError, match='min_size'):
        ReferentCrop(min_size=10, max_size=5)
