import json

import pytest
from comparison.page import CHOICE, RUN
from comparison.result_files import read_object, read_objects, read_rows

ROW = dict(img_path='a.jpg', sent_id=1, text='dog', iou=1.0, kind='', split='val')
VAL = dict(precision=50.0, kinds=dict(all=50.0), expressions_per_image=[2], hits='5')
GOOD = dict(
    settings='a',
    method='m2ist',
    seed=0,
    rate=None,
    device='CPU',
    fingerprint='a',
    dev=[1.0, 2],
    val=VAL,
    checkpoint_bytes=3,
)


@pytest.mark.parametrize(
    ('row', 'told'),
    [
        (dict(ROW, iou=float('nan')), "entry 1 its 'iou' is nan, not from 0 to 1"),
        (dict(ROW, iou=5), "entry 1 its 'iou' is 5, not from 0 to 1"),
        (dict(ROW, iou=-0.1), "entry 1 its 'iou' is -0.1, not from 0 to 1"),
        (dict(ROW, iou=None), "entry 1 its 'iou' is None"),
        (dict(ROW, text=None), "entry 1 its 'text' is None"),
        (dict(img_path='a.jpg'), "entry 1 has no 'sent_id'"),
        ([1], 'entry 1 is a list, not a dict'),
    ],
)
def test_a_faulty_row_is_named(tmp_path, row, told):
    path = tmp_path / 'a.json'
    path.write_text(json.dumps([ROW, row]))
    with pytest.raises(ValueError, match=f'a.json is no result of .* --out: {told}'):
        read_rows(path)


def test_sound_rows_are_read(tmp_path):
    path = tmp_path / 'a.json'
    path.write_text(json.dumps([dict(ROW, iou=0), dict(ROW, kind=None, more=1)]))
    first, second = read_rows(path)
    assert first == dict(ROW, iou=0)
    assert second == {key: ROW[key] for key in ROW if key != 'kind'}


@pytest.mark.parametrize(
    ('content', 'told'),
    [('{}', 'is no result'), ('[]', 'holds no expressions'), ('[' * 10**5, 'complete')],
)
def test_what_holds_no_rows_is_named(tmp_path, content, told):
    (tmp_path / 'a.json').write_text(content)
    with pytest.raises(ValueError, match=f'a.json.*{told}'):
        read_rows(tmp_path / 'a.json')


@pytest.mark.parametrize(
    ('content', 'told'),
    [
        (b'', 'not a complete JSON file'),
        (b'{"method": "m2', 'not a complete JSON file'),
        (b'\xff\xd8\xff', 'text'),
        (b'[]', 'is a list, not a dict'),
    ],
)
def test_a_damaged_file_is_named(tmp_path, content, told):
    (tmp_path / 'a.json').write_bytes(content)
    with pytest.raises(ValueError, match=f'a.json: .*{told}'):
        read_object(tmp_path / 'a.json', RUN)


@pytest.mark.parametrize(
    ('changes', 'told'),
    [
        (dict(seed='0'), "its 'seed' is '0'"),
        (dict(rate='0.1'), "its 'rate' is '0.1'"),
        (dict(rate=float('inf')), "its 'rate' must be one or more finite numbers"),
        (dict(dev=[]), "its 'dev' must be one or more finite numbers"),
        (dict(dev=[1.0, 'x']), "its 'dev' must be one or more finite numbers"),
        (dict(val=dict(VAL, kinds=dict(all=None))), "its 'kinds' must be one or more"),
        (dict(val=dict(VAL, hits='b')), "its 'hits' are not as many as"),
        (dict(val=dict(VAL, hits='x')), "'x'"),
        (dict(val={}), "has no 'precision'"),
    ],
)
def test_a_faulty_run_is_named(tmp_path, changes, told):
    path = tmp_path / 'a.json'
    path.write_text(json.dumps(GOOD))
    assert read_object(path, RUN) == GOOD
    path.write_text(json.dumps(GOOD | changes))
    with pytest.raises(ValueError, match=f'a.json: .*{told}'):
        read_object(path, RUN)


def test_two_files_of_the_same_are_named(tmp_path):
    for name, rate in (('b1', 0.1), ('b2', 0.3), ('a', 0.1)):
        choice = dict(settings='a', rate=rate, dev=1.0, images=9, device='CPU')
        (tmp_path / f'{name}.json').write_text(json.dumps(choice))
    found = read_objects(tmp_path, 'b*.json', CHOICE, ('rate', 'device'))
    assert [one['rate'] for one in found] == [0.1, 0.3]
    with pytest.raises(ValueError, match='a.json and .*b1.json are of the same rate a'):
        read_objects(tmp_path, '*.json', CHOICE, ('rate', 'device'))
