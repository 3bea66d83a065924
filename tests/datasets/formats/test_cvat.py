"""CVAT's XML."""

import pytest

from m2ist_mm.datasets import DatasetError
from m2ist_mm.datasets.formats.cvat import read_cvat

BOX = 'label="animal" xtl="10.50" ytl="20" xbr="40" ybr="60" occluded="0" z_order="0"'
HEAD = '<?xml version="1.0" encoding="utf-8"?>'


def box(text='left dog', more='', name='caption'):
    return f'<box {BOX} {more}><attribute name="{name}">{text}</attribute></box>'


@pytest.fixture
def read(tmp_path):
    def run(*shapes, head=HEAD, image='width="200" height="100"', **options):
        path = tmp_path / 'annotations.xml'
        path.write_text(
            f'{head}<annotations><version>1.1</version><meta/>'
            f'<image id="0" name="dogs/a.jpg" {image}>{"".join(shapes)}</image>'
            '<image id="1" name="b.jpg" width="50" height="50"/></annotations>'
        )
        return read_cvat(str(path), **options)

    return run


def test_a_box_with_its_text(read):
    (found,), faults = read(box('left &amp; small'))
    assert faults == []
    assert found['text'] == 'left & small' and found['boxes'] == [[10.5, 20, 40, 60]]
    assert (found['image'], found['width'], found['height']) == ('dogs/a.jpg', 200, 100)
    assert (found['kind'], found['origins'], found['sent_id']) == (
        'animal',
        [[0, 0]],
        0,
    )
    assert 'split' not in found
    assert found['entry'].endswith("annotations.xml: image 'dogs/a.jpg', box 0")


def test_a_subset_is_a_split(read):
    size = 'width="200" height="100"'
    assert read(box(), image=f'{size} subset="Train"')[0][0]['split'] == 'Train'
    assert 'split' not in read(box(), image=f'{size} subset="default"')[0][0]


def test_boxes_without_text_and_texts_without_box(read):
    polygon = '<polygon label="animal" points="1,2;3,4"/>'
    tag = '<tag label="scene"><attribute name="caption">a park</attribute></tag>'
    found, _ = read(box(), f'<box {BOX}/>', polygon, tag, box(' '))
    assert [(e['text'], len(e['boxes'])) for e in found] == [
        ('left dog', 1),
        (None, 1),
        ('a park', 0),
        (None, 1),
    ]


def test_rotated_box_is_one_line(read):
    found, faults = read(box(more='rotation="12.5"'), box('b', more='rotation="0"'))
    assert [e['text'] for e in found] == ['b']
    assert faults[0].endswith(
        "annotations.xml: image 'dogs/a.jpg', box 0: its box is rotated by 12.5 "
        'degrees, and boxes here are upright: draw it anew without rotation'
    )


def test_what_is_no_number_is_one_line(read):
    (fault,) = read(box().replace('xtl="10.50"', 'xtl="left"'), box('b'))[1]
    assert "its 'xtl' is 'left', not a number" in fault
    (fault,) = read(box().replace('xtl="10.50"', ''), box('b'))[1]
    assert "its 'xtl' is None, not a number" in fault


def test_entities_are_refused(read, tmp_path):
    (tmp_path / 'secret').write_text('secret')
    for entity in ('"dog"', f'SYSTEM "file://{tmp_path}/secret"'):
        head = f'{HEAD}<!DOCTYPE a [<!ENTITY x {entity}>]>'
        with pytest.raises(
            DatasetError, match='declares entities, which CVAT does not'
        ):
            read(box('&x;'), head=head)


def test_the_field_of_the_text_may_have_to_be_named(read):
    two = box(name='what').replace(
        '</box>', '<attribute name="color">red</attribute></box>'
    )
    with pytest.raises(DatasetError, match="text_field; .* 'what', 'color', 'label'"):
        read(two)
    assert read(two, text_field='color')[0][0]['text'] == 'red'
    assert read(two, text_field='label')[0][0]['text'] == 'animal'
    assert read(box(name='only'))[0][0]['text'] == 'left dog'


def test_a_size_that_is_not_finite_is_refused(read):
    found, (fault,) = read(box(), image='width="inf" height="100"')
    assert found == [] and "its 'width' is 'inf', not a number" in fault


def test_without_boxes_texts_are_read_alone(read):
    found, _ = read(box(), f'<box {BOX}/>', with_boxes=False)
    assert [e['text'] for e in found] == ['left dog'] and 'boxes' not in found[0]


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('<annotations><image', 'not a complete XML file: .*get the original'),
        ('<annotation/>', 'begins with <annotation>, not with CVAT'),
        (
            '<annotations><track label="a"><box/></track></annotations>',
            "is an export of a video; choose 'CVAT for images 1.1'",
        ),
        ('', 'not a complete XML file'),
    ],
)
def test_other_files_are_one_line(tmp_path, text, message):
    path = tmp_path / 'annotations.xml'
    path.write_text(text)
    with pytest.raises(DatasetError, match=message):
        read_cvat(str(path))
