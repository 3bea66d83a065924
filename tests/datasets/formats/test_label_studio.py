"""Label Studio's JSON export."""

import copy
import json

import pytest

from m2ist_mm.datasets import DatasetError
from m2ist_mm.datasets.formats.label_studio import image_file_names, read_label_studio

BOX = dict(x=10, y=20, width=30, height=40, rotation=0)
COMMON = dict(id='Dx_aB91ISN', to_name='image', original_width=200, original_height=100)
RECTANGLE = dict(
    COMMON,
    from_name='label',
    type='rectanglelabels',
    value=dict(BOX, rectanglelabels=['animal']),
)
TEXT = dict(
    COMMON, from_name='caption', type='textarea', value=dict(BOX, text=['left dog'])
)


def task(*results, **more):
    data = dict(image='/data/upload/1/0a1b2c3d-a.jpg')
    annotation = dict(id=1, was_cancelled=False, result=list(results))
    return {**dict(id=7, data=data, annotations=[annotation]), **more}


@pytest.fixture
def read(tmp_path):
    def run(*tasks, **options):
        path = tmp_path / 'export.json'
        path.write_text(json.dumps(tasks))
        return read_label_studio(str(path), **options)

    return run


def change(result, **values):
    changed = copy.deepcopy(result)
    for key, value in values.items():
        place = (
            changed if key in changed or key == 'image_rotation' else changed['value']
        )
        place[key] = value
    return changed


def test_a_region_with_its_text(read):
    (found,), faults = read(task(RECTANGLE, TEXT))
    assert faults == []
    assert found['text'] == 'left dog'
    assert found['boxes'] == [[10, 20, 40, 60]] and found['box_unit'] == 'percent'
    assert (found['width'], found['height'], found['kind']) == (200, 100, 'animal')
    assert [found['image'], *found['aliases']] == ['0a1b2c3d-a.jpg', 'a.jpg']
    assert found['origins'] == [[0, 0, 'Dx_aB91ISN']]
    assert found['entry'].endswith('export.json: task 7, region Dx_aB91ISN')


def test_rectangle_and_labels_may_be_apart(read):
    rectangle = dict(COMMON, from_name='box', type='rectangle', value=BOX)
    labels = dict(COMMON, from_name='l', type='labels', value=dict(BOX, labels=['cat']))
    (found,), _ = read(task(rectangle, labels, TEXT))
    assert found['boxes'] == [[10, 20, 40, 60]] and found['kind'] == 'cat'


def test_several_texts_of_a_region_are_several_expressions(read):
    found, _ = read(task(RECTANGLE, change(TEXT, text=['left dog', 'big dog', ' '])))
    assert [e['text'] for e in found] == ['left dog', 'big dog']
    assert [e['sent_id'] for e in found] == [0, 1]
    assert found[0]['boxes'] == found[1]['boxes']


def test_a_region_without_text_and_a_text_without_rectangle(read):
    other = change(TEXT, id='other')
    polygon = dict(COMMON, id='p', type='polygonlabels', from_name='poly', value={})
    found, faults = read(
        task(RECTANGLE, other, polygon, change(TEXT, id='p', text='b'))
    )
    assert [(e['text'], len(e['boxes'])) for e in found] == [
        (None, 1),
        ('left dog', 0),
        ('b', 0),
    ]
    assert faults == []


def test_the_same_text_at_two_regions_has_two_boxes(read):
    second = change(RECTANGLE, id='2', x=50), change(TEXT, id='2', text=['left dog '])
    (found,), _ = read(task(RECTANGLE, TEXT, *second))
    assert found['boxes'] == [[10, 20, 40, 60], [50, 20, 80, 60]]
    assert len(found['origins']) == 2
    # two people's annotations are apart
    both = task()
    both['annotations'] = [
        dict(result=[RECTANGLE, TEXT]),
        dict(result=[RECTANGLE, TEXT]),
    ]
    assert len(read(both)[0]) == 2


def test_results_without_id_belong_together_by_their_rectangle(read):
    def without_id(result, **values):
        return {k: v for k, v in change(result, **values).items() if k != 'id'}

    other = change(TEXT, x=50, text=['right dog'])
    found, faults = read(
        task(without_id(RECTANGLE), without_id(TEXT), without_id(other))
    )
    assert faults == []
    assert [(e['text'], e['boxes']) for e in found] == [
        ('left dog', [[10, 20, 40, 60]]),
        ('right dog', [[50, 20, 80, 60]]),
    ]
    assert found[0]['kind'] == 'animal' and found[0]['width'] == 200
    assert [e['origins'] for e in found] == [
        [[0, 0, 'at 10, 20, 30, 40']],
        [[0, 0, 'at 50, 20, 30, 40']],
    ]
    bare = without_id(TEXT)
    bare['value'] = dict(text=['left dog'])
    found, (fault,) = read(task(without_id(RECTANGLE), bare))
    assert [e['text'] for e in found] == [None]
    assert "export.json: task 7, region None: its text 'left dog' has no id" in fault


def test_skipped_annotations_are_passed_over(read):
    skipped = task(RECTANGLE, change(TEXT, text='wrong'))
    skipped['annotations'][0]['was_cancelled'] = True
    found, _ = read(skipped, task(RECTANGLE, TEXT))
    assert [e['text'] for e in found] == ['left dog']


@pytest.mark.parametrize(
    ('values', 'message'),
    [
        (
            dict(rotation=30),
            'its box is rotated by 30 degrees, and boxes here are upri',
        ),
        (dict(image_rotation=90), 'its image was turned by 90 degrees while it was'),
        (dict(x=10**400), "its 'x' is 1000000000000"),
        (dict(width='30'), "its 'width' is '30', not a int | float"),
    ],
)
def test_wrong_regions_are_one_line(read, values, message):
    found, faults = read(task(change(RECTANGLE, **values), TEXT), task(RECTANGLE, TEXT))
    assert len(found) == 1
    assert len(faults) == 1 and message in faults[0]
    assert 'export.json: task 7, region Dx_aB91ISN: ' in faults[0]


def test_a_full_turn_is_none(read):
    assert read(task(change(RECTANGLE, rotation=360), TEXT))[1] == []


def test_the_field_of_the_text_may_have_to_be_named(read):
    note = change(TEXT, from_name='note', text=['blurred'])
    assert read(task(RECTANGLE, TEXT, note))[0][0]['text'] == 'left dog'  # caption
    said = change(TEXT, from_name='said')
    with pytest.raises(DatasetError, match="by text_field; .* 'said', 'note', 'label'"):
        read(task(RECTANGLE, said, note))
    assert read(task(RECTANGLE, said, note), text_field='said')[0][0]['text'] == (
        'left dog'
    )
    with pytest.raises(
        DatasetError, match="no text_field='sad'; the fields are 'said'"
    ):
        read(task(RECTANGLE, said), text_field='sad')
    # labels are no sentences unless one says so
    with pytest.raises(DatasetError, match="by text_field; the fields are 'label'"):
        read(task(RECTANGLE))
    assert read(task(RECTANGLE), text_field='label')[0][0]['text'] == 'animal'


def test_without_boxes_texts_are_read_alone(read):
    found, _ = read(task(RECTANGLE, change(TEXT, id='other')), with_boxes=False)
    assert [e['text'] for e in found] == ['left dog']
    assert 'boxes' not in found[0]


@pytest.mark.parametrize(
    ('address', 'names'),
    [
        ('/data/upload/3/0a1b2c3d-a_b.jpg', ['0a1b2c3d-a_b.jpg', 'a_b.jpg']),
        ('/data/upload/0a1b2c3d-a.jpg', ['0a1b2c3d-a.jpg', 'a.jpg']),
        (
            '/data/local-files/?d=disk/my%20dogs/a%26b.jpg',
            ['disk/my dogs/a&b.jpg', 'a&b.jpg'],
        ),
        ('s3://bucket/2024/a%20b.jpg', ['2024/a b.jpg', 'a b.jpg']),
        ('https://x.org/i/a.jpg?width=3', ['i/a.jpg', 'a.jpg']),
        ('images/100%25 #2.jpg', ['images/100% ', '100% ', '100%25 #2.jpg']),
        ('deadbeef-.jpg', ['deadbeef-.jpg', '.jpg']),
    ],
)
def test_names_of_files(address, names):
    assert image_file_names(address) == names


@pytest.mark.parametrize(
    ('data', 'message'),
    [
        (dict(image='/data/a.jpg', other='b.jpg'), None),
        (dict(photo='s3://x/a.png', author='Ann'), None),
        (dict(one='a.jpg', two='b.jpg'), "must name one image; has 'one', 'two'"),
        (dict(text='dog'), "must name one image; has 'text'"),
        (dict(), 'must name one image; has nothing'),
        (dict(image='a\ud83d.jpg'), r"its image 'a\ud83d.jpg' names no file"),
        (dict(image='/'), "its image '/' names no file"),
    ],
)
def test_the_image_of_a_task(read, data, message):
    found, faults = read(task(RECTANGLE, TEXT, data=data), task(RECTANGLE, TEXT))
    assert len(found) == (2 if message is None else 1)
    assert [message in fault for fault in faults] == [True] * (message is not None)


def test_other_files_are_one_line(tmp_path, read):
    path = tmp_path / 'a.json'
    path.write_text('{}')
    with pytest.raises(DatasetError, match="is no list of tasks; choose 'JSON' in"):
        read_label_studio(str(path))
    _, faults = read(dict(image='a'), task(RECTANGLE, TEXT))
    assert "task 0: has no 'data'; its keys are image" in faults[0]
