import json
import re

import pytest
from made_rows import LEFT, RIGHT, predictions_of

from m2ist_mm.datasets import DatasetError
from m2ist_mm.evaluation import aligned_iou
from m2ist_mm.fit.judge import Fact, judge, plan_runs
from m2ist_mm.fit.judge.report import verdict
from m2ist_mm.fit.judge.rows_file import load_rows


def predict(run, answer):
    """Write predictions of a model that gives ``answer(row)`` as its box."""
    rows = load_rows(run.test)
    boxes = [answer(row) for row in rows]
    overlaps = aligned_iou(boxes, [row['bbox'] for row in rows]).tolist()
    run.predictions.write_text(json.dumps(predictions_of(rows, boxes, overlaps)))


def reader(row):
    """A model that reads: dogs are left, cats right."""
    return LEFT if 'dog' in row['expression'] else RIGHT


@pytest.fixture
def runs(work_dir):
    """All runs: the model reads, that of a quarter takes the left object always."""
    parts = dict.fromkeys(('start', 'learning_curve', 'compare', 'audit'), True)
    runs = plan_runs(work_dir, **parts)
    for run in runs:
        left = run.name in ('start', 'curve_25', 'frozen')
        predict(run, (lambda row: LEFT) if left else reader)
    return runs


def test_figures_of_the_model_and_its_controls(work_dir, runs):
    report = judge(work_dir, runs)
    assert report['split'] == 'test'
    assert (report['model']['images'], report['model']['expressions']) == (4, 8)
    assert report['model']['P@0.5']['value'] == 100
    assert report['model']['mIoU']['value'] == 100
    controls = {
        control['name']: (control['P@0.5']['value'], control['mIoU']['value'])
        for control in report['controls']
    }
    assert controls == {
        'whole image': (0, 40),
        'best constant box': (50, 50),
        'before this training': (50, 50),
        'sentence of another object in the image': (0, 0),
        'sentence of another image': (0, 0),
        'frozen towers alone': (50, 50),
    }
    assert report['controls'][1]['verdict'] == (
        'the model is better, by 50.0 to 50.0 points'
    )


def test_learning_curve_says_what_the_last_doubling_gave(work_dir, runs):
    curve = judge(work_dir, runs)['learning_curve']
    assert [
        (point['share'], point['training images'], point['P@0.5']['value'])
        for point in curve['points']
    ] == [(0.25, 3, 50), (0.5, 6, 100), (1, 12, 100)]
    assert curve['verdict'] == (
        'Twice the images gave +0.0 points (+0.0 to +0.0), and the difference is '
        'within the interval: whether more labels pay is not shown.'
    )
    predict(runs[6], lambda row: LEFT)
    assert runs[6].name == 'curve_50'
    assert (
        'more labels will probably pay'
        in judge(work_dir, runs)['learning_curve']['verdict']
    )


def test_failures_have_their_reasons(work_dir, runs):
    predict(runs[0], lambda row: LEFT)
    failures = judge(work_dir, runs)['failures']
    assert failures['reasons'] == {'right object of another sentence': 4}
    assert failures['rows'][0] == dict(
        image='test0.png',
        sent_id=25,
        expression='the cat',
        bbox=RIGHT,
        predicted=LEFT,
        iou=0,
        reason='right object of another sentence',
        detail='labelled “the dog”',
    )


def test_audit_lists_the_most_suspect_tenth(work_dir, runs):
    spoilt = {run.name: run for run in runs}['audit_1']
    (first, *_) = load_rows(spoilt.test)
    predict(
        spoilt, lambda row: RIGHT if row['sent_id'] == first['sent_id'] else reader(row)
    )
    audit = judge(work_dir, runs)['audit']
    assert (audit['rows'], audit['folds']) == (32, 3)
    # three are a tenth; two of them agree with their labels
    (suspect,) = audit['suspects']
    assert suspect['sent_id'] == first['sent_id']
    assert suspect['split'] == re.match('[a-z]+', first['image'])[0]
    assert 1 < suspect['score'] < 1.5
    assert suspect['why'] == 'the box of “the cat” is predicted'


def test_page_has_the_figures_of_the_json(work_dir, runs):
    predict(runs[0], lambda row: LEFT if row['image'] < 'test2' else reader(row))
    report = judge(work_dir, runs, [Fact('peak memory', '2.1 GB', '1.9 GB')])
    assert json.loads((work_dir / 'report.json').read_text()) == report
    page = (work_dir / 'report.html').read_text()
    assert report['note'] in page and 'always answers' in page
    model = report['model']['P@0.5']
    assert model['value'] == 75
    assert f'<b>{model["value"]:.0f} %</b>' in page
    for control in report['controls']:
        assert control['name'] in page and control['verdict'] in page
        assert f'{control["P@0.5"]["low"]:.1f}–{control["P@0.5"]["high"]:.1f}' in page
    assert '<td>peak memory</td><td>2.1 GB</td><td>1.9 GB</td>' in page
    assert '2 × right object of another sentence' in page
    assert report['learning_curve']['verdict'] in page
    # 2 failures, 6 found, no suspect
    assert page.count('src="data:image/jpeg') == 8
    assert 'Labels to look at again' in page


def test_same_predictions_give_the_same_files(work_dir, runs):
    def contents():
        judge(work_dir, runs)
        return [(work_dir / f'report.{kind}').read_bytes() for kind in ('json', 'html')]

    first = contents()
    assert contents() == first


def test_parts_that_were_not_asked_for_are_not_there(work_dir):
    runs = plan_runs(work_dir)
    for run in runs:
        predict(run, reader)
    report = judge(work_dir, runs)
    assert report['audit'] is report['learning_curve'] is None
    page = (work_dir / 'report.html').read_text()
    for heading in (
        'Labels to look at again',
        'Would more labels pay',
        'Plan and fact',
    ):
        assert heading not in page
    assert 'None.' in page  # failures


def test_sentences_are_text_and_no_html(work_dir):
    path = work_dir / 'data' / 'test.jsonl'
    path.write_text(path.read_text().replace('the dog', '<script>dog</script>'))
    runs = plan_runs(work_dir)
    for run in runs:
        predict(run, lambda row: RIGHT)
    judge(work_dir, runs)
    page = (work_dir / 'report.html').read_text()
    assert '&lt;script&gt;dog' in page
    assert not re.search('<script', page)


def test_missing_predictions_are_named_and_no_report_is_left(work_dir, runs):
    runs[3].predictions.unlink()
    with pytest.raises(DatasetError, match='across_images.predictions.json: no such'):
        judge(work_dir, runs)
    assert not (work_dir / 'report.json').exists()


WITHIN = 'the difference is within the interval: these images do not show one'


@pytest.mark.parametrize(
    ('precision', 'overlap', 'words'),
    [
        ((1.24, 3), (-2, -1), 'the model is better, by 1.2 to 3.0 points'),
        ((-3, -1), (0, 1), 'the model is worse, by 1.0 to 3.0 points'),
        ((0, 3), (0, 1), WITHIN),
        (
            (-3, 0),
            (-29.73, -14.72),
            f'{WITHIN}; by mIoU the model is worse, by 14.7 to 29.7 points',
        ),
        (
            (-3, 1),
            (0.2, 1),
            f'{WITHIN}; by mIoU the model is better, by 0.2 to 1.0 points',
        ),
    ],
)
def test_verdict_says_what_the_intervals_show(precision, overlap, words):
    gained = {
        name: dict(value=0, low=low, high=high)
        for name, (low, high) in (('P@0.5', precision), ('mIoU', overlap))
    }
    assert verdict(gained) == words
