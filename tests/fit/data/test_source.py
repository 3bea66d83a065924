"""Annotation files of a folder."""

import json

import pytest

from m2ist_mm.datasets import DatasetError
from m2ist_mm.fit.data.source import (
    find_source,
    refuse_work_dir_around,
    standard_split,
    walk,
)

ROW = [dict(image='a.jpg', expression='dog', bbox=[1, 2, 3, 4])]


def write(folder, **files):
    for name, content in files.items():
        path = folder / name.replace('__', '/').replace('_json', '.json')
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))


def fault(*args):
    with pytest.raises(DatasetError) as caught:
        find_source(*args)
    (line,) = caught.value.faults
    return line


def test_other_files_are_passed_over(tmp_path):
    write(tmp_path, notes_json=dict(a=1), list_json=[1, 2], mine_json=ROW)
    write(tmp_path, broken_json='{"a": ', package_json=dict(name='x'))
    (tmp_path / 'page.xml').write_text('<html/>')
    (tmp_path / '.cache').mkdir()
    write(tmp_path / '.cache', other_json=ROW)
    found = find_source(tmp_path)
    assert found.data_format == 'rows'
    assert found.files == {tmp_path / 'mine.json': None}
    assert found.folder == tmp_path
    assert len(found.passed_over) == 5
    assert 'broken.json: line 1 is not a complete JSON' in found.passed_over[0]


def test_folders_that_were_written_are_told_by_all_that_is_in_them(tmp_path):
    write(tmp_path, **{'images__splits.csv': 'a,b', 'images__summary.json': '{}'})
    for work in ('work__data', 'data'):
        for name in ('images.json', 'summary.json', 'train.jsonl'):
            write(tmp_path, **{f'{work}__{name}': '[]'})
    folders = [here.relative_to(tmp_path).as_posix() for here, _ in walk(tmp_path)]
    assert folders == ['.', 'images']


def test_a_work_dir_with_the_data_in_it_is_refused(tmp_path):
    write(tmp_path, mine__rows_json=ROW)
    data = tmp_path / 'mine'
    for work_dir, *rest in (
        (data, data),
        (tmp_path, data),
        (data, data / 'rows.json'),
        (tmp_path / 'x', data, tmp_path / 'x' / 'images'),
    ):
        with pytest.raises(ValueError, match='work dir is the data folder .* above it'):
            refuse_work_dir_around(work_dir, *rest)
    for work_dir in (data / 'work', tmp_path / 'work', tmp_path / 'min'):
        refuse_work_dir_around(work_dir, data, data)


def test_nothing_known_is_one_line(tmp_path):
    assert 'no such file or folder' in fault(tmp_path / 'none')
    assert 'no annotation file in it; wanted is one of .json' in fault(tmp_path)
    (tmp_path / 'export.zip').touch()
    assert fault(tmp_path) == f'{tmp_path}/export.zip: unpack it first'
    write(tmp_path, mine_json=[dict(img='a.jpg', text='dog', box=[1, 2, 3, 4])])
    assert fault(tmp_path).endswith(
        "mine.json: is of no known format; the keys of its first entry are 'img', "
        "'text', 'box', and rows have image, expression and bbox (or x1, y1, x2, y2 or "
        'x, y, w, h)'
    )
    write(tmp_path, mine_json=[dict(image='a', label=[dict(rectanglelabels=['x'])])])
    assert "choose 'JSON' instead of 'JSON-MIN'" in fault(tmp_path)
    write(tmp_path, mine_json=[dict(data={}, predictions=[])])
    assert "Label Studio's tasks without annotations" in fault(tmp_path)
    write(tmp_path, mine_json='{"image": ')
    assert 'not a complete JSON' in fault(tmp_path)
    (tmp_path / 'page.xml').write_text('<html/>')
    assert '(2 files were looked at)' in fault(tmp_path)


def test_a_named_format_that_is_not_there_is_one_line(tmp_path):
    write(tmp_path, mine_json=ROW)
    assert fault(tmp_path, 'cvat') == (
        f"{tmp_path}: has no file of the format 'cvat' (rows: mine.json); name the "
        'file that is meant, or its format by data_format'
    )


def test_splits_are_in_names_of_files_or_folders(tmp_path):
    # as Roboflow and CVAT write them
    write(
        tmp_path, train___annotations_coco_json=ROW, valid___annotations_coco_json=ROW
    )
    write(tmp_path, test__x_json=ROW)
    found = find_source(tmp_path)
    assert sorted(found.files.values()) == ['test', 'train', 'val']


def test_several_exports_are_one_line(tmp_path):
    write(tmp_path, a_json=ROW, b_json=ROW)
    line = fault(tmp_path)
    assert "has 2 files of the format 'rows'" in line and '(a.json, b.json)' in line
    assert find_source(tmp_path / 'b.json').files == {tmp_path / 'b.json': None}


@pytest.mark.parametrize(
    ('name', 'split'),
    [
        ('train', 'train'),
        ('Validation', 'val'),
        ('dev', 'val'),
        ('testA', 'test'),
        ('testAB', 'test'),
        ('TEST', 'test'),
        ('contest', None),
        ('fold1', None),
    ],
)
def test_names_of_splits(name, split):
    assert standard_split(name) == split
