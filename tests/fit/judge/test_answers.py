import json

import pytest
from made_rows import LEFT, RIGHT, make_row, predictions_of

from m2ist_mm.datasets import DatasetError
from m2ist_mm.fit.judge.answers import constant_answers, load_answers
from m2ist_mm.fit.judge.rows_file import save_rows

ROWS = [make_row(5, 'a.png', 'the dog', LEFT), make_row(3, 'a.png', 'the cat', RIGHT)]


@pytest.fixture
def files(tmp_path):
    save_rows(tmp_path / 'rows.jsonl', ROWS)

    def write(predictions):
        (tmp_path / 'predictions.json').write_text(json.dumps(predictions))
        return tmp_path / 'rows.jsonl', tmp_path / 'predictions.json'

    return write


def test_predictions_find_their_rows_by_id(files):
    predictions = predictions_of(ROWS, [LEFT, None], [1.0, 0.0])
    first, second = load_answers(*files(predictions[::-1]))
    assert (first['expression'], first['predicted'], first['iou']) == (
        'the dog',
        LEFT,
        1,
    )
    assert (second['expression'], second['predicted']) == ('the cat', None)
    assert second['truncated'] is False


def test_label_is_the_one_that_was_measured_with(files):
    predictions = predictions_of(ROWS, [LEFT, LEFT], [1.0, 0.0])
    predictions[1]['gt_bbox'] = [60, 0, 99.5, 100]
    assert load_answers(*files(predictions))[1]['bbox'] == [60, 0, 99.5, 100]


@pytest.mark.parametrize(
    'change',
    [
        lambda found: found[:1],
        lambda found: [*found, found[0] | dict(sent_id=9)],
        lambda found: [found[0], found[1] | dict(sent_id=9)],
        lambda found: [found[0], found[1] | dict(gt_bbox=LEFT)],
        lambda found: [found[0], found[1] | dict(gt_bbox=None)],
        lambda found: dict(predictions=found),
        lambda found: 7,
    ],
    ids=['fewer', 'more', 'other id', 'other label', 'no label', 'dict', 'number'],
)
def test_predictions_of_other_rows_are_refused(files, change):
    predictions = predictions_of(ROWS, [LEFT, LEFT], [1.0, 0.0])
    with pytest.raises(
        DatasetError, match='no predictions of the rows of .*rows.jsonl'
    ):
        load_answers(*files(change(predictions)))


def test_missing_predictions_are_named(files, tmp_path):
    rows, _ = files([])
    with pytest.raises(DatasetError, match='other.json: no such file'):
        load_answers(rows, tmp_path / 'other.json')


def test_constant_box_is_relative_to_each_image():
    answers = [
        make_row(0, 'a.png', 'the dog', LEFT),
        make_row(1, 'b.png', 'the dog', [0, 0, 100, 100]) | dict(width=200, height=50),
    ]
    first, second = constant_answers(answers, (0, 0, 0.5, 1))
    assert first['predicted'] == [0, 0, 50, 100]
    assert first['iou'] == pytest.approx(0.8)
    assert second['predicted'] == [0, 0, 100, 50]
    assert second['iou'] == pytest.approx(0.5)
