import numpy as np
import pytest
import torch
from mmdet.structures.bbox import HorizontalBoxes
from mmengine.dataset import Compose
from mmengine.registry import init_default_scope

from m2ist_mm.datasets import PackRECInputs
from m2ist_mm.structures import Placement


def build(count):
    return dict(
        img=np.arange(24, dtype=np.uint8).reshape(2, 4, 3),
        img_path='a.jpg',
        img_id=3,
        ori_shape=(2, 4),
        img_shape=(2, 4),
        split='val',
        text=['dog', 'cat', 'cow'][:count],
        sent_id=[7, 8, 9][:count],
        kind=['place', 'order', 'place'][:count],
        gt_bboxes=HorizontalBoxes(torch.rand(count, 4)),
        gt_bboxes_labels=np.arange(count)[::-1].copy(),
        gt_ignore_flags=np.zeros(count, bool),
    )


def test_single_expression_is_a_tuple_of_one():
    results = build(1)
    packed = PackRECInputs()(results)
    sample = packed['data_samples']
    assert sample.text == ('dog',)
    assert sample.sent_id == (7,)
    assert sample.kind == ('place',)
    assert sample.split == 'val'
    assert sample.placement == Placement.identity((2, 4))
    assert packed['inputs'].dtype == torch.uint8
    assert packed['inputs'].shape == (3, 2, 4)
    assert packed['inputs'][:, 0, 1].tolist() == [3, 4, 5]
    assert torch.equal(sample.gt_instances.bboxes, results['gt_bboxes'].tensor)
    assert sample.gt_instances.labels.tolist() == [0]


def test_expressions_of_a_group_are_a_tuple():
    sample = PackRECInputs()(build(3))['data_samples']
    assert sample.text == ('dog', 'cat', 'cow')
    assert sample.sent_id == (7, 8, 9)
    assert sample.kind == ('place', 'order', 'place')
    assert sample.gt_instances.bboxes.shape == (3, 4)
    assert sample.gt_instances.labels.tolist() == [2, 1, 0]


def test_text_that_is_a_str_is_one_expression():
    results = {**build(1), 'text': 'the dog'}
    assert PackRECInputs()(results)['data_samples'].text == ('the dog',)


def test_what_is_no_text_is_refused():
    with pytest.raises(ValueError, match='text must be .* got None'):
        PackRECInputs()({**build(1), 'text': None})
    with pytest.raises(ValueError, match="a.jpg: 2 values of 'sent_id' for 1 expr"):
        PackRECInputs()({**build(1), 'sent_id': [1, 2]})


@pytest.mark.parametrize('key', ['kind', 'sent_id'])
def test_optional_keys_may_be_absent(key):
    results = build(1)
    del results[key]
    assert key not in PackRECInputs()(results)['data_samples']


def test_sample_before_packing_is_not_changed():
    results = build(2)
    PackRECInputs()(results)
    assert results['text'] == ['dog', 'cat']


@pytest.mark.parametrize(
    ('place', 'frame', 'boxes'),
    [
        (0, 'canvas', [[25, 15, 45, 35]]),
        (1, None, None),
        (2, 'image', [[10, 10, 50, 50]]),
    ],
)
def test_sample_says_whose_pixels_its_boxes_are_in(place, frame, boxes):
    results = build(1)
    for key in ('gt_bboxes', 'gt_bboxes_labels'):
        del results[key]
    img = np.full((60, 160, 3), 9, np.uint8)
    instances = [dict(bbox=[10, 10, 50, 50], bbox_label=0, ignore_flag=0)]
    results.update(img=img, ori_shape=(60, 160), img_shape=(60, 160))
    steps = [
        dict(type='Resize', scale=(80, 30)),
        dict(type='PadToCanvas', size=(120, 50)),
    ]
    steps.insert(place, dict(type='LoadAnnotations', with_bbox=True))
    init_default_scope('mmdet')
    results['instances'] = instances
    pipeline = Compose([*steps, dict(type='PackRECInputs')])
    if frame is None:
        with pytest.raises(ValueError, match='neither'):
            pipeline(results)
        return
    sample = pipeline(results)['data_samples']
    assert sample.box_frame == frame
    assert sample.gt_instances.bboxes.tolist() == boxes


def test_transform_may_say_whose_pixels_the_boxes_are_in():
    results = build(1)
    results.update(
        ori_shape=(4, 4), homography_matrix=np.diag([1.0, 0.5, 1]), box_frame='canvas'
    )
    results['instances'] = [dict(bbox=[0, 0, 90, 90])]
    assert PackRECInputs()(results)['data_samples'].box_frame == 'canvas'
