import json

import pytest

from m2ist_mm.datasets import DatasetError
from m2ist_mm.fit.judge.rows_file import load_rows, save_rows

ROW = dict(
    image='a.jpg', width=30, height=20, expression='ein Hügel', bbox=[1, 2, 3.5, 4]
) | dict(sent_id=7)


def test_rows_come_back_without_the_keys_of_others(tmp_path):
    path = tmp_path / 'new' / 'rows.jsonl'
    save_rows(path, [ROW | dict(kind='place', split='val'), ROW | dict(sent_id=8)])
    assert load_rows(path) == [ROW | dict(kind='place'), ROW | dict(sent_id=8)]


@pytest.mark.parametrize(
    ('rows', 'message'),
    [
        ([], 'has no rows'),
        ([ROW, ROW], 'a sent_id occurs twice'),
        ([ROW | dict(bbox=[1, 2])], "line 1: its 'bbox' is"),
        ([{k: v for k, v in ROW.items() if k != 'width'}], "line 1: has no 'width'"),
    ],
)
def test_faulty_files_are_refused(tmp_path, rows, message):
    path = tmp_path / 'rows.jsonl'
    path.write_text(''.join(json.dumps(row) + '\n' for row in rows))
    with pytest.raises(DatasetError, match=message):
        load_rows(path)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(DatasetError, match=r'rows.jsonl: no such file'):
        load_rows(tmp_path / 'rows.jsonl')
