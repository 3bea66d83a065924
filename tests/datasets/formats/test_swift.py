"""ms-swift's grounding rows."""

import json

import pytest

from m2ist_mm.datasets.formats.swift import read_swift

BOXES = [[90.9, 160.8, 135, 212.8], [360.9, 480.8, 495, 532.8]]


def row(ref, bbox, said='', images=('x.jpg',), **objects):
    return dict(
        messages=[
            dict(role='user', content='<image>Find the <ref-object> in the image'),
            dict(role='assistant', content=said),
        ]
        if said
        else [],
        images=list(images),
        objects=dict(ref=ref, bbox=bbox, **objects),
    )


@pytest.fixture
def read(tmp_path):
    def run(*rows, **options):
        path = tmp_path / 'rows.jsonl'
        path.write_text('\n'.join(map(json.dumps, rows)))
        return read_swift(str(path), **options)

    return run


def test_as_many_boxes_as_expressions(read):
    found, faults = read(row(['a dog', 'a woman'], BOXES))
    assert faults == []
    assert [(e['text'], e['boxes']) for e in found] == [
        ('a dog', [BOXES[0]]),
        ('a woman', [BOXES[1]]),
    ]
    assert [e['image'] for e in found] == ['x.jpg'] * 2
    assert [e['origins'] for e in found] == [[[0, 0]], [[0, 1]]]
    assert 'box_unit' not in found[0]


def test_several_boxes_of_one_expression(read):
    (found,), _ = read(row(['sheep'], BOXES, '<bbox><bbox>'))
    assert found['boxes'] == BOXES
    assert read(row(['sheep'], BOXES))[0][0]['boxes'] == BOXES


def test_marks_say_which_box_belongs_to_which(read):
    marks = '<bbox> near <ref-object> and <ref-object><bbox>'
    found, _ = read(row(['sheep', 'a hill', 'a dog'], BOXES, marks))
    assert [len(e['boxes']) for e in found] == [1, 0, 1]
    assert found[2]['boxes'] == [BOXES[1]]


@pytest.mark.parametrize(
    'said',
    [
        'and the <ref-object>: <bbox> and <bbox>',
        '<bbox>, and the <ref-object> at <bbox>',
    ],
)
def test_as_many_boxes_as_expressions_are_paired_by_number(read, said):
    found, faults = read(row(['a dog', 'a woman'], BOXES, said))
    assert faults == []
    assert [e['boxes'] for e in found] == [[BOXES[0]], [BOXES[1]]]


def test_marks_count_though_there_are_as_many_boxes_as_expressions(read):
    said = '<bbox> and <bbox>, and no <ref-object>'
    found, _ = read(row(['a dog', 'a woman'], BOXES, said))
    assert [e['boxes'] for e in found] == [BOXES, []]


def test_an_image_may_be_a_dict_with_its_path(read):
    image = dict(path='x.jpg', bytes=None)
    (found,), faults = read(row(['a dog'], BOXES[:1], images=[image]))
    assert (found['image'], faults) == ('x.jpg', [])
    (found,), _ = read({**row(['a dog'], BOXES[:1]), 'images': image})
    assert found['image'] == 'x.jpg'


def test_relative_boxes_say_so(read):
    (found,), _ = read(row(['a'], [[0.1, 0.2, 0.3, 0.4]], bbox_type='norm1'))
    assert found['box_unit'] == 'relative'


def test_several_images(read):
    both = row(['a', 'b'], BOXES, images=['x.jpg', 'y.jpg'], image_id=[1, 0])
    assert [e['image'] for e in read(both)[0]] == ['y.jpg', 'x.jpg']


@pytest.mark.parametrize(
    ('wrong', 'message'),
    [
        (row(['a', 'b', 'c'], BOXES), '2 boxes do not go with its 3 expressions'),
        (row(['a'], [[615, 226]]), 'not four numbers'),
        (
            row(['a'], BOXES[:1], bbox_type='norm1000'),
            "'norm1000', not 'real' or 'norm",
        ),
        (row(['a'], BOXES[:1], image_id=[3]), 'it has no image 3; has 1'),
        (row(['a'], BOXES, image_id=[0]), "'image_id' has 1 entries for 2 boxes"),
        (
            row(['a'], BOXES, images=['x.jpg', 'y.jpg'], image_id=[0, 1]),
            'its ref 0 has boxes on several images',
        ),
        (row(['a'], BOXES[:1], image_id=[[0]]), 'it has no image [0]; has 1'),
        (row([5], BOXES[:1]), "its 'text' is 5, not a str"),
        (
            row(['a'], BOXES[:1], images=[dict(bytes='/9j/', path=None)]),
            'its image is bytes without a path: write it into a file',
        ),
        (row(['a'], BOXES[:1], images=[dict(name='x')]), "has no 'path'; its keys"),
        (dict(images=['a']), "has no 'objects'; its keys are images"),
    ],
)
def test_wrong_rows_are_one_line(read, wrong, message):
    found, (fault,) = read(row(['a dog'], BOXES[:1]), wrong)
    assert len(found) == 1
    assert 'rows.jsonl: line 2: ' in fault and message in fault


def test_without_boxes_texts_are_read_alone(read):
    found, _ = read(row(['a dog'], BOXES[:1]), with_boxes=False)
    assert 'boxes' not in found[0]
