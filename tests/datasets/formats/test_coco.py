"""COCO files whose annotations have a text."""

import json

import pytest

from m2ist_mm.datasets import DatasetError
from m2ist_mm.datasets.formats.coco import read_coco

IMAGE = dict(id=1, file_name='a.jpg', width=200, height=100)


def annotation(number=1, **more):
    return {**dict(id=number, image_id=1, category_id=5, bbox=[10, 20, 30, 40]), **more}


@pytest.fixture
def read(tmp_path):
    def run(*annotations, **options):
        content = dict(
            images=[IMAGE],
            annotations=list(annotations),
            categories=[dict(id=5, name='animal'), dict(id=6, name='tree')],
        )
        path = tmp_path / 'coco.json'
        path.write_text(json.dumps(content))
        return read_coco(str(path), **options)

    return run


def test_an_annotation_with_its_text(read):
    (found,), faults = read(annotation(caption='left dog'))
    assert faults == []
    assert found['text'] == 'left dog' and found['boxes'] == [[10, 20, 40, 60]]
    assert (found['image'], found['width'], found['height']) == ('a.jpg', 200, 100)
    assert (found['kind'], found['origins'], found['img_id']) == ('animal', [1], 1)


def test_a_list_of_texts_is_several_expressions(read):
    found, _ = read(annotation(expression=['left dog', 'big dog', '']))
    assert [e['text'] for e in found] == ['left dog', 'big dog']
    assert [e['sent_id'] for e in found] == [0, 1]


def test_attributes_of_cvat(read):
    attributes = dict(occluded=False, rotation=0.0, meant='left dog')
    second = annotation(2, attributes=dict(attributes, rotation=30.0))
    found, faults = read(annotation(attributes=attributes), second)
    assert [e['text'] for e in found] == ['left dog']
    assert 'annotations id 2: its box is rotated by 30 degrees' in faults[0]


def test_annotations_without_text_are_told_apart(read):
    found, _ = read(annotation(caption='dog'), annotation(2), annotation(3, caption=''))
    assert [e['text'] for e in found] == ['dog', None, None]
    found, _ = read(annotation(caption='dog'), annotation(2), with_boxes=False)
    assert [e['text'] for e in found] == ['dog']


def test_the_field_of_the_text_may_have_to_be_named(read):
    two = annotation(said='dog', by='Ann')
    with pytest.raises(DatasetError, match="text_field; .* 'said', 'by', 'category'"):
        read(two)
    assert read(two, text_field='said')[0][0]['text'] == 'dog'
    assert read(two, text_field='category')[0][0]['text'] == 'animal'
    with pytest.raises(DatasetError, match="text_field; the fields are 'category'"):
        read(annotation())


def test_a_category_that_is_none_is_passed_over(read):
    (found,), faults = read(annotation(caption='dog', category_id=[1]))
    assert 'kind' not in found and faults == []


@pytest.mark.parametrize(
    ('values', 'fault'),
    [
        (dict(image_id='1'), "its 'image_id' is '1', not a int"),
        (dict(bbox=dict(x=1)), "its 'bbox' is {'x': 1}, not four numbers"),
        (dict(bbox=None), "its 'bbox' is None, not four numbers"),
    ],
)
@pytest.mark.parametrize('text_field', [None, 'caption'])
def test_if_all_annotations_are_wrong_their_faults_are_told(
    read, values, fault, text_field
):
    wrong = [annotation(number, caption='dog', **values) for number in (1, 2)]
    found, faults = read(*wrong, text_field=text_field)
    assert found == []
    assert [one.partition('.json: ')[2] for one in faults] == [
        f'annotations entry {number}: {fault}' for number in (0, 1)
    ]
    # those that are right have no text
    assert len(read(*wrong, annotation(3), text_field=text_field)[1]) == 2


def test_wrong_annotations_are_one_line(read):
    found, faults = read(
        annotation(caption='dog'),
        annotation(2, image_id=9, caption='a'),
        annotation(3, bbox=[1, 2], caption='b'),
    )
    assert len(found) == 1
    assert [fault.partition('.json: ')[2] for fault in sorted(faults)] == [
        "annotations entry 2: its 'bbox' is [1, 2], not four numbers",
        'annotations id 2: its image 9 is not there',
    ]
