"""What a dataset is like."""

import numpy as np
import pytest

from m2ist_mm.evaluation import pairwise_iou
from m2ist_mm.fit.data import best_constant_box
from m2ist_mm.fit.data.statistics import constant_controls, describe


def row(image, expression, bbox, **more):
    return dict(
        image=image, expression=expression, bbox=bbox, width=100, height=50, **more
    )


ROWS = [
    row('a', 'Dog', [0, 0, 100, 50], kind='animal'),
    row('a', 'dog', [0, 0, 100, 40], kind='animal'),
    row('a', 'the left dog', [0, 0, 10, 10], kind='other'),
    row('b', 'a cat', [1, 1, 11, 11], kind='animal'),
]


def test_counts():
    found = describe(ROWS)
    assert (found['images'], found['expressions'], found['boxes']) == (2, 4, 4)
    assert found['distinct_expressions'] == 3
    assert found['words'] == [1, 1.5, 3]
    assert found['expressions_per_image'] == [1, 2, 3]
    assert found['width'] == [100, 100, 100] and found['height'] == [50, 50, 50]
    assert found['box_share'] == pytest.approx([0.02, 0.41, 1.0])
    assert found['kinds'] == dict(animal=3, other=1)


def test_controls_are_shares_of_boxes_that_overlap_by_half():
    found = constant_controls(ROWS, np.array([0, 0, 0.1, 0.2]))
    # the whole image: IoU 1, 0.8, 0.02, 0.02; the box: 0.02, 0.025, 1, 0.68
    assert found == dict(whole_image=50.0, constant_box=50.0)


def test_boxes_of_a_pixel_in_a_large_image_count_as_others_do():
    tiny = dict(row('a', 'a bird', [10, 10, 11, 11]), width=8000, height=6000)
    found = constant_controls([tiny], np.array([10, 10, 11, 11]) / ([8000, 6000] * 2))
    assert found['constant_box'] == 100


def test_best_constant_box_is_right_most_often():
    often = np.array(
        [[0.1, 0.1, 0.5, 0.5], [0.1, 0.1, 0.5, 0.52], [0.12, 0.1, 0.5, 0.5]]
    )
    boxes = np.concatenate([[[0, 0, 1, 1]], often, [[0.8, 0.8, 0.9, 0.9]]])
    assert best_constant_box(boxes).tolist() in often.tolist()


def test_candidates_are_drawn_from_many_boxes():
    corners = np.random.default_rng(0).uniform(0, 0.1, (2000, 4))
    boxes = corners + [0.2, 0.2, 0.7, 0.7]
    scores = (pairwise_iou(boxes, boxes) >= 0.5).mean(1)
    best = (pairwise_iou(best_constant_box(boxes), boxes) >= 0.5).mean()
    assert best == pytest.approx(max(scores), abs=0.01)
    assert (best_constant_box(boxes) == best_constant_box(boxes)).all()
