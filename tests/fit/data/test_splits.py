"""Splits by image."""

import pytest

from m2ist_mm.datasets import DatasetError
from m2ist_mm.fit.data.splits import (
    complete_splits,
    draw_splits,
    read_splits,
    splits_table,
)


def test_draw_is_eighty_ten_ten_and_depends_on_names_alone():
    groups = [[f'{number}.jpg'] for number in range(200)]
    splits = draw_splits(groups, seed=3)
    counts = [list(splits.values()).count(name) for name in ('train', 'val', 'test')]
    assert counts == [160, 20, 20]
    assert draw_splits(groups[::-1], seed=3) == splits
    assert draw_splits(groups, seed=4) != splits


def test_same_images_stay_together():
    groups = [[f'{n}.jpg', f'copy of {n}.jpg'] for n in range(50)]
    splits = draw_splits(groups, seed=0)
    assert all(splits[one] == splits[other] for one, other in groups)
    assert set(splits.values()) == {'train', 'val', 'test'}


def test_ten_images_have_all_splits():
    splits = draw_splits([[str(n)] for n in range(10)], seed=0)
    assert sorted(splits.values()) == ['test'] + 8 * ['train'] + ['val']


def test_same_image_in_two_named_splits_is_tested_not_trained():
    named = dict(a='train', b='test', c='train', d='val')
    splits, notes = complete_splits(named, [['a', 'b'], ['c'], ['d']], 0, 'data')
    assert splits == dict(a='test', b='test', c='train', d='val')
    assert notes == [
        '1 images are in another split under another name, and were moved there, the '
        'first: a'
    ]


def test_a_missing_split_is_drawn_with_all_copies():
    groups = [[f'{n}.jpg', f'copy of {n}.jpg'] for n in range(50)]
    named = {name: 'train' for group in groups for name in group}
    splits, notes = complete_splits({**named, 'v': 'val'}, [*groups, ['v']], 0, 'data')
    assert all(splits[one] == splits[other] for one, other in groups)
    assert list(splits.values()).count('test') == 10
    assert notes == ['test: 10 images taken out of train, as none was given']


def test_train_is_needed():
    with pytest.raises(
        DatasetError, match="data: there are no images of the split 'tr"
    ):
        complete_splits(dict(a='val', b='test'), [['a'], ['b']], 0, 'data')


def test_table_is_read_as_written(tmp_path):
    splits = {'a, b "c".jpg': 'train', 'd;e.jpg': 'val', 'f.jpg': 'test'}
    path = tmp_path / 'splits.csv'
    path.write_bytes(splits_table(splits))
    assert read_splits(path) == splits


def test_a_table_that_a_spreadsheet_saved_is_read(tmp_path):
    path = tmp_path / 'splits.csv'
    path.write_bytes(b'\xef\xbb\xbfimage;split\r\na.jpg;train\r\nb.jpg;val\r\n')
    assert read_splits(path) == {'a.jpg': 'train', 'b.jpg': 'val'}


def test_wrong_rows_are_named(tmp_path):
    path = tmp_path / 'splits.csv'
    path.write_text('image,split\na.jpg,train\n,val\nb.jpg,best\na.jpg,val\n')
    with pytest.raises(DatasetError) as caught:
        read_splits(path)
    assert [fault.rpartition(': ')[2] for fault in caught.value.faults] == [
        "has image None and split 'val'; each row is an image and one of train, val, "
        'test',
        "has image 'b.jpg' and split 'best'; each row is an image and one of train, "
        'val, test',
        'a.jpg is in train already',
    ]
