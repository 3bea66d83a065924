import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import HorizontalBoxes
from mmengine.structures import InstanceData

from m2ist_mm.structures import Expressions, as_texts


def test_everything_is_a_tuple_with_one_entry_per_expression():
    sample = DetDataSample(
        metainfo=dict(
            img_path='a.jpg',
            text=('dog', 'cat'),
            sent_id=(7, 8),
            kind=(None, 'place'),
            truncated=(True, False),
        )
    )
    expected = Expressions(
        ('dog', 'cat'), (7, 8), (None, 'place'), (True, False), 'a.jpg'
    )
    assert Expressions.of(sample) == expected
    assert Expressions.of(sample.to_dict()) == expected
    assert len(expected) == 2


def test_lists_of_a_sample_before_packing_are_read():
    raw = dict(text=['dog', 'cat'], sent_id=[7, 8])
    assert Expressions.of(raw) == Expressions(
        ('dog', 'cat'), (7, 8), (None, None), (False, False)
    )


def test_str_is_one_expression():
    expressions = Expressions.of(dict(text='the dog', sent_id=3))
    assert expressions.texts == ('the dog',)
    assert expressions.ids == (3,)


@pytest.mark.parametrize(
    ('text', 'texts'),
    [
        ('left', ('left',)),
        (['left', 'red dog'], ('left', 'red dog')),
        (np.array(['left', 'red dog']), ('left', 'red dog')),
        (np.array('left'), ('left',)),
        ((), ()),
    ],
)
def test_one_place_reads_texts(text, texts):
    assert as_texts(text) == texts
    assert Expressions.of(dict(text=text)).texts == texts


@pytest.mark.parametrize('text', [None, b'ab', 3, ['dog', None], [b'dog'], {'dog'}])
def test_what_is_no_text_is_refused(text):
    with pytest.raises(ValueError, match='text must be a str or a sequence of str, g'):
        Expressions.of(dict(text=text))


def test_arrays_of_ids_are_read():
    sample = dict(text=['dog', 'cat'], sent_id=np.array([7, 8]))
    assert Expressions.of(sample).ids == (7, 8)


def test_sample_without_text_has_no_expression():
    assert len(Expressions.of(DetDataSample())) == 0


def test_columns_of_other_lengths_are_refused():
    with pytest.raises(ValueError, match="a.jpg: 1 values of 'sent_id' for 2 expr"):
        Expressions.of(dict(img_path='a.jpg', text=('dog', 'cat'), sent_id=(1,)))


@pytest.fixture
def expressions():
    return Expressions.of(
        dict(img_path='a.jpg', text=('dog', 'cat', 'cow'), sent_id=(5, 6, 7))
    )


def test_boxes_are_found_by_label(expressions):
    rows = expressions.rows(torch.tensor([2, 0, 2]))
    assert [found.tolist() for found in rows] == [[1], [], [0, 2]]


@pytest.mark.parametrize('label', [-1, 3])
def test_label_of_no_expression_is_refused(expressions, label):
    with pytest.raises(ValueError, match=f'a.jpg: a box has the label {label}, and'):
        expressions.rows(torch.tensor([0, label]))


def test_one_box_each_is_in_the_order_of_the_expressions(expressions):
    boxes = torch.rand(3, 4)
    instances = InstanceData(bboxes=boxes, labels=torch.tensor([1, 2, 0]))
    assert torch.equal(expressions.one_box_each(instances), boxes[[2, 0, 1]])
    instances.bboxes = HorizontalBoxes(boxes)
    assert torch.equal(expressions.one_box_each(instances), boxes[[2, 0, 1]])


@pytest.mark.parametrize(
    ('labels', 'message'),
    [
        ([0, 2], r'a.jpg \(sent_id 6\): the expression has 0 boxes, not one'),
        ([0, 0, 2], r'a.jpg \(sent_id 5\): the expression has 2 boxes'),
        ([0, 1, 1], r'a.jpg \(sent_id 6\): the expression has 2 boxes'),
        ([0, 1, 3], 'a.jpg: a box has the label 3'),
    ],
)
def test_more_or_less_than_one_box_is_refused(expressions, labels, message):
    instances = dict(bboxes=torch.rand(len(labels), 4), labels=torch.tensor(labels))
    with pytest.raises(ValueError, match=message):
        expressions.one_box_each(instances)
