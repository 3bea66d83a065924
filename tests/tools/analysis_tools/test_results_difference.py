import json

import pytest
from results_difference import compare


@pytest.fixture
def write(tmp_path):
    """Write results of ten images of two expressions each; gives NAME=FILE."""

    def write(name, right, splits=('val', 'testA'), root='images', text='dog'):
        """``right``: images of which both expressions are found."""
        rows = [
            dict(
                img_path=f'{root}/{image}.jpg',
                sent_id=2 * image + number,
                text=f'{text} {number}',
                split=split,
                kind=None,
                iou=0.5 if image < right else 0.49,
            )
            for split in splits
            for image in range(10)
            for number in range(2)
        ]
        path = tmp_path / f'{name}{len(list(tmp_path.iterdir()))}.json'
        path.write_text(json.dumps(rows))
        return f'{name}={path}'

    return write


def cells(table):
    return [
        [cell.strip() for cell in row.split('|')[1:-1]] for row in table.split('\n')
    ]


def test_difference_of_means_over_files_with_its_interval(write):
    table = compare([write('new', 10), write('old', 2), write('old', 4)])
    head, _, val, test = cells(table)
    assert head == ['new minus', 'split', 'P@0.5, points', 'verdict']
    # 100 minus the mean of 20 and 40; an image is missed by both, by one or by none
    assert val == ['old', 'val', '+70.0 (+45.0 to +95.0)', 'above']
    assert test == ['old', 'testA', *val[2:]]
    assert cells(compare([write('old', 2), write('new', 10)]))[2][3] == 'below'


def test_each_other_model_is_subtracted_from_the_first(write):
    rows = cells(compare([write('a', 5), write('b', 5), write('c', 0)]))[2:]
    assert [row[:2] for row in rows] == [
        [name, split] for name in 'bc' for split in ('val', 'testA')
    ]
    assert rows[0][2:] == ['+0.0 (+0.0 to +0.0)', 'not below']
    assert rows[2][2].startswith('+50.0 (')


def test_what_cannot_be_compared_is_refused(write, tmp_path):
    with pytest.raises(ValueError, match=r"two NAMEs or more, .* not of \['a'\]"):
        compare([write('a', 1), write('a', 2)])
    with pytest.raises(ValueError, match='not of the same splits'):
        compare([write('a', 1), write('b', 1, splits=('val',))])
    with pytest.raises(FileNotFoundError, match='none.json: no such file'):
        compare([write('a', 1), f'b={tmp_path / "none.json"}'])


def test_other_expressions_are_refused_in_whatever_folder_the_images_are(write):
    assert compare([write('a', 5), write('b', 5, root='/elsewhere')])
    with pytest.raises(ValueError, match='tested on different expressions'):
        compare([write('a', 5), write('b', 5, text='cat')])
