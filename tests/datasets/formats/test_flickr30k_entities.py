"""The release of Flickr30k Entities, on hand-made files."""

import cv2
import numpy as np
import pytest

from m2ist_mm.datasets.formats.flickr30k_entities import (
    read_flickr30k_entities,
    read_image_numbers,
    read_splits,
)

SENTENCE = '[/EN#5/people A girl] in [/EN#6/clothing/other  a red  SHIRT] .'


def box(*names, corners=(2, 3, 11, 21)):
    tags = ('xmin', 'ymin', 'xmax', 'ymax')
    numbers = zip(tags, corners, strict=True)
    corners = ''.join(f'<{tag}>{number}</{tag}>' for tag, number in numbers)
    names = ''.join(f'<name>{name}</name>' for name in names)
    return f'<object>{names}<bndbox>{corners}</bndbox></object>'


def no_box(name):
    return f'<object><name>{name}</name><scene>1</scene><nobndbox>0</nobndbox></object>'


@pytest.fixture
def read(tmp_path):
    """Read one image of 40x30 pixels."""

    def run(sentences, *objects, head='', size=(40, 30)):
        for name in ('Sentences', 'Annotations', 'images'):
            (tmp_path / name).mkdir()
        (tmp_path / 'Sentences' / '17.txt').write_text(sentences)
        width, height = size
        (tmp_path / 'Annotations' / '17.xml').write_text(
            f'{head}<annotation><filename>17.jpg</filename><size><width>{width}</width>'
            f'<height>{height}</height></size>{"".join(objects)}</annotation>'
        )
        path = str(tmp_path / 'images' / '17.jpg')
        cv2.imwrite(path, np.zeros((30, 40, 3), np.uint8))
        return again()

    def again():
        return read_flickr30k_entities(tmp_path, tmp_path / 'images', {'17': 'val'})

    run.again = again
    return run


def test_phrases_are_rows_with_pixels_from_0(read):
    rows, faults, left_out = read(SENTENCE, box(5), box(6, corners=(1, 1, 40, 30)))
    assert faults == [] and not left_out
    assert rows == [
        dict(
            image='images/17.jpg',
            expression='a girl',
            bbox=[1, 2, 10, 20],
            split='val',
            kind='people',
            boxes=[[1, 2, 10, 20]],
            sent_id=0,
        ),
        dict(
            image='images/17.jpg',
            expression='a red shirt',
            bbox=[0, 0, 39, 29],
            split='val',
            kind='clothing',
            boxes=[[0, 0, 39, 29]],
            sent_id=1,
        ),
    ]


def test_a_box_may_be_of_several_chains_and_a_chain_have_several_boxes(read):
    sentence = '[/EN#5/people Two girls] , [/EN#6/people one] small .'
    (two, one), _, _ = read(sentence, box(5, 6), box(5, corners=(9, 1, 30, 5)))
    assert two['boxes'] == [[1, 2, 10, 20], [8, 0, 29, 4]]
    assert two['bbox'] == [1, 0, 29, 20]
    assert one['bbox'] == [1, 2, 10, 20] and one['boxes'] == [one['bbox']]


def test_what_has_no_box_or_was_there_is_counted(read):
    sentences = (
        '[/EN#5/people A girl] [/EN#0/notvisual who] is in [/EN#7/scene a park] .\n'
        '[/EN#5/people a girl] sees [/EN#6/people a girl] and [/EN#8/people a girl]\n\n'
    )
    other = box(6, corners=(20, 1, 30, 9))
    rows, faults, left_out = read(sentences, box(5, 8), other, no_box(7))
    assert [(row['expression'], row['bbox'], row['sent_id']) for row in rows] == [
        ('a girl', [1, 2, 10, 20], 0),
        ('a girl', [19, 0, 29, 8], 1),
    ]
    assert left_out == {'without a box': 2, 'repeated': 2} and faults == []


@pytest.mark.parametrize(
    'broken',
    [
        '[/EN#5/people A girl',
        'A girl]',
        '[A girl]',
        '[/EN#5 A girl]',
        '[/EN#5/people ]',
    ],
)
def test_a_broken_line_is_one_fault(read, broken):
    rows, (fault,), _ = read(f'A dog .\n{broken} runs .', box(5))
    assert rows == []
    assert '17.txt: line 2 has a bracket that belongs to no phrase' in fault
    assert 'get the original file again' in fault


def test_an_unknown_chain_is_a_fault(read):
    _, (fault,), _ = read(SENTENCE, box(5))
    assert "17.txt: line 1, 'a red  SHIRT' is of chain 6, which" in fault
    assert 'Annotations/17.xml does not have; get both files again' in fault


@pytest.mark.parametrize('corners', [(0, 0, 11, 21), (2, 3, 42, 32)])
def test_a_box_may_be_outside_by_a_pixel_which_the_dataset_clips(read, corners):
    rows, faults, _ = read(SENTENCE, box(5, 6, corners=corners))
    assert faults == []
    assert rows[0]['bbox'] == [number - 1 for number in corners]


@pytest.mark.parametrize(
    'corners', [(-1, 3, 11, 21), (2, 3, 43, 21), (2, 3, 11, 33), (11, 3, 11, 21)]
)
def test_a_box_further_outside_or_empty_is_a_fault(read, corners):
    rows, (fault,), _ = read(SENTENCE, box(5, 6, corners=corners))
    assert rows == []
    shown = [number - 1 for number in corners]
    assert f'17.xml: the box {shown} (xyxy, from 0) is empty or leaves' in fault


@pytest.mark.parametrize('entity', ['"girl"', 'SYSTEM "file:///etc/hostname"'])
def test_entities_are_refused(read, entity):
    head = f'<!DOCTYPE a [<!ENTITY x {entity}>]>'
    _, (fault,), _ = read(SENTENCE, box('&x;'), head=head)
    assert '17.xml: declares entities, which the release does not' in fault


@pytest.mark.parametrize(
    ('old', 'new'),
    [('</annotation>', ''), ('<xmin>2', '<xmin>left'), ('<xmin>2</xmin>', '')],
)
def test_broken_xml_is_a_fault(read, tmp_path, old, new):
    read(SENTENCE, box(5, 6))
    path = tmp_path / 'Annotations' / '17.xml'
    path.write_text(path.read_text().replace(old, new))
    rows, (fault,), _ = read.again()
    assert rows == []
    assert f'{path}: no complete XML file with sizes and boxes in whole' in fault


@pytest.mark.parametrize('name', ['Annotations/17.xml', 'Sentences/17.txt'])
def test_a_missing_file_is_a_fault(read, tmp_path, name):
    read(SENTENCE, box(5, 6))
    (tmp_path / name).unlink()
    assert read.again()[1] == [
        f'{tmp_path / name}: no such file; unpack annotations.zip again'
    ]


def test_an_image_of_another_size_is_a_fault(read):
    _, (fault,), _ = read(SENTENCE, box(5, 6), size=(500, 375))
    assert '17.jpg: has 40x30 pixels, and the boxes in' in fault
    assert 'are of 500x375; get the original image of Flickr30k' in fault


def test_lists_of_splits(tmp_path):
    with pytest.raises(ValueError, match='train.txt: no such list .*annotations.zip'):
        read_splits(tmp_path)
    for split, numbers in dict(train='9\n10\n', val='3', test='4\r\n').items():
        (tmp_path / f'{split}.txt').write_text(numbers)
    assert list(read_splits(tmp_path).items()) == [
        ('9', 'train'),
        ('10', 'train'),
        ('3', 'val'),
        ('4', 'test'),
    ]
    (tmp_path / 'test.txt').write_text('4\n9\n')
    with pytest.raises(ValueError, match='test.txt: image 9 is in train.txt, too'):
        read_splits(tmp_path)


def test_images_are_known_by_their_numbers(tmp_path):
    path = tmp_path / 'only.txt'
    path.write_text('10\n\n11.jpg\n12_693b08cb0e.jpg\n')
    assert read_image_numbers(path) == ['10', '11', '12']
    path.write_text('10\n<html>\n')
    with pytest.raises(ValueError, match="only.txt: line 2, '<html>', does not begin"):
        read_image_numbers(path)
