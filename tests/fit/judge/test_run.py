import json

import pytest

from m2ist_mm.datasets import DatasetError, RECFileDataset
from m2ist_mm.fit.judge import plan_runs
from m2ist_mm.fit.judge.rows_file import load_rows


def images(path):
    return {row['image'] for row in load_rows(path)}


def by_name(runs):
    return {run.name: run for run in runs}


def test_model_and_shuffles_are_tested_alone(work_dir):
    runs = plan_runs(work_dir)
    assert [run.name for run in runs] == [
        'model',
        'shuffled_in_image',
        'shuffled_across_images',
    ]
    assert all(run.train is None for run in runs)
    assert runs[0].test == work_dir / 'data' / 'test.jsonl'
    assert runs[0].predictions == work_dir / 'predictions.json'
    assert {row['expression'] for row in load_rows(runs[1].test)} == {
        'the dog',
        'the cat',
    }
    assert len({run.predictions for run in runs}) == 3


def test_start_is_tested_on_the_rows_of_the_model(work_dir):
    runs = by_name(plan_runs(work_dir, start=True))
    assert runs['start'].train is None
    assert runs['start'].test == runs['model'].test
    assert runs['start'].predictions != runs['model'].predictions


def test_dataset_reads_the_rows_of_a_run(work_dir):
    run = plan_runs(work_dir)[1]
    dataset = RECFileDataset(
        file_format='rows',
        ann_file=str(run.test.parent / '{split}.jsonl'),
        split=run.test.stem,
        data_prefix=dict(img=str(work_dir.parent / 'images')),
        pipeline=[],
        test_mode=True,
    )
    found = {sample['sent_id'][0]: sample['text'][0] for sample in dataset}
    assert found == {row['sent_id']: row['expression'] for row in load_rows(run.test)}


def test_learning_curve_trains_on_nested_images(work_dir):
    runs = by_name(plan_runs(work_dir, learning_curve=True))
    quarter, half = runs['curve_25'], runs['curve_50']
    assert len(images(quarter.train)) == 3
    assert len(images(half.train)) == 6
    assert images(quarter.train) < images(half.train)
    assert quarter.test == half.test == runs['model'].test


def test_comparison_trains_on_all_rows_with_frozen_towers(work_dir):
    run = by_name(plan_runs(work_dir, compare=True))['frozen']
    assert not run.neck
    assert run.train == work_dir / 'data' / 'train.jsonl'


def test_audit_predicts_every_row_by_a_model_of_other_images(work_dir):
    runs = [run for run in plan_runs(work_dir, audit=True, folds=4) if run.train]
    assert [run.name for run in runs] == [f'audit_{number}' for number in range(4)]
    predicted = [row['sent_id'] for run in runs for row in load_rows(run.test)]
    assert sorted(predicted) == list(range(32))
    for run in runs:
        assert len(images(run.test)) == 4
        assert len(images(run.train)) == 12
        assert not images(run.test) & images(run.train)


def test_same_arguments_give_the_same_files(work_dir):
    def contents():
        runs = plan_runs(work_dir, learning_curve=True, audit=True)
        return {
            path: path.read_bytes()
            for run in runs
            for path in (run.test, run.train)
            if path
        }

    first = contents()
    assert contents() == first


def test_a_missing_test_split_is_named(work_dir):
    (work_dir / 'data' / 'test.jsonl').unlink()
    with pytest.raises(DatasetError, match=r'test.jsonl: no such file'):
        plan_runs(work_dir)


def test_images_of_one_object_are_not_shuffled_inside(work_dir):
    path = work_dir / 'data' / 'test.jsonl'
    lines = path.read_text().splitlines(keepends=True)
    path.write_text(''.join(lines[::2]))
    assert 'shuffled_in_image' not in by_name(plan_runs(work_dir))


def test_audit_refuses_an_id_of_several_splits(work_dir):
    path = work_dir / 'data' / 'test.jsonl'
    rows = [json.loads(line) | dict(sent_id=n) for n, line in enumerate(path.open())]
    path.write_text(''.join(json.dumps(row) + '\n' for row in rows))
    with pytest.raises(DatasetError, match='a sent_id occurs in several splits'):
        plan_runs(work_dir, audit=True)
