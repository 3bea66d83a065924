import numpy as np
import pytest
import torch
from mmdet.structures.bbox import HorizontalBoxes

from m2ist_mm.datasets import PadToCanvas, RECRandomFlip
from m2ist_mm.structures import Placement


@pytest.fixture
def results():
    img = np.arange(4 * 10 * 3, dtype=np.uint8).reshape(4, 10, 3)
    return dict(
        img=img,
        text=['bright left dog', 'cat'],
        gt_bboxes=HorizontalBoxes(torch.tensor([[1.0, 0, 3, 2], [5, 1, 10, 4]])),
    )


def test_flip_mirrors_image_boxes_and_words(results):
    img = results['img'].copy()
    flipped = RECRandomFlip(prob=1.0)(results)
    assert np.array_equal(flipped['img'], img[:, ::-1])
    assert flipped['gt_bboxes'].tensor.tolist() == [[7, 0, 9, 2], [0, 1, 5, 4]]
    assert flipped['text'] == ['bright right dog', 'cat']
    assert flipped['flip'] is True


def test_no_flip_changes_nothing(results):
    img = results['img'].copy()
    kept = RECRandomFlip(prob=0.0)(results)
    assert np.array_equal(kept['img'], img)
    assert kept['text'] == ['bright left dog', 'cat']
    assert kept['flip'] is False


def test_image_without_boxes_is_flipped_too(results):
    del results['gt_bboxes']
    assert RECRandomFlip(prob=1)(results)['text'][0] == 'bright right dog'


def test_one_text_and_an_array_are_flipped(results):
    one = {**results, 'text': 'left dog'}
    assert RECRandomFlip(prob=1.0)(one)['text'] == ['right dog']
    array = {**results, 'text': np.array(['left dog', 'cat'])}
    assert RECRandomFlip(prob=1.0)(array)['text'] == ['right dog', 'cat']
    with pytest.raises(ValueError, match='text must be'):
        RECRandomFlip(prob=1.0)({**results, 'text': None})


def test_half_of_the_samples_are_flipped(results):
    np.random.seed(0)
    transform = RECRandomFlip(prob=0.5)
    flips = [transform(dict(results))['flip'] for _ in range(400)]
    assert 160 < sum(flips) < 240


def test_flip_after_padding_moves_the_padding(results):
    results['ori_shape'] = (4, 10)
    padded = PadToCanvas((15, 6))(results)
    assert Placement.read(padded).region == (2, 1, 12, 5)
    flipped = RECRandomFlip(prob=1.0)(padded)
    assert Placement.read(flipped).region == (3, 1, 13, 5)
