import json

import pytest
import results_table

TWO_SPLITS = {
    'rec/P@0.5': 70.0,
    'rec/mIoU': 61.0,
    'rec/expressions': 1500,
    'rec/order/P@0.5': 50.0,
    'rec/val/P@0.5': 81.26,
    'rec/val/P@0.9': 12.0,
    'rec/val/mIoU': 65.5,
    'rec/val/expressions': 1000,
    'rec/val/truncated': 3,
    'rec/val/order/P@0.5': 44.44,
    'rec/val/order/expressions': 90,
    'rec/testB/P@0.5': 30.0,
    'rec/testB/mIoU': 22.0,
    'rec/testB/P@0.9': None,
    'rec/testB/expressions': 500,
    'rec/testB/relation/P@0.5': 10.0,
    'data_time': 0.1,
    'time': 0.2,
}


def write_test(folder, time, metrics):
    file = folder / time / f'{time}.json'
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(metrics))
    return file


def cells_of(markdown):
    return [
        [cell.strip() for cell in line.strip('|').split('|')]
        for line in markdown.splitlines()
        if line and not line.startswith('|-')
    ]


def test_table_has_a_row_for_each_split_and_a_column_for_each_kind(tmp_path, capsys):
    write_test(tmp_path, '20260101_000000', TWO_SPLITS)

    assert results_table.main([f'side-tuned={tmp_path}']) == 0

    assert cells_of(capsys.readouterr().out) == [
        ['test', 'split', 'expressions', 'P@0.5', 'P@0.9', 'mIoU'],
        ['side-tuned', 'val', '1,000', '81.3', '12.0', '65.5'],
        ['side-tuned', 'testB', '500', '30.0', '', '22.0'],
        ['P@0.5 by kind', '', 'order', 'relation'],
        ['side-tuned', 'val', '44.4', ''],
        ['side-tuned', 'testB', '', '10.0'],
    ]


def test_one_split_alone_without_kinds_is_one_row(tmp_path, capsys):
    metrics = {'rec/P@0.5': 100.0, 'rec/mIoU': 90.04, 'rec/expressions': 32.0}
    file = write_test(tmp_path, '1', metrics)

    assert results_table.main([str(file)]) == 0

    assert cells_of(capsys.readouterr().out) == [
        ['test', 'split', 'expressions', 'P@0.5', 'mIoU'],
        [str(file), 'all', '32', '100.0', '90.0'],
    ]


def test_several_tests_are_compared_in_one_table(tmp_path, capsys):
    for name, precision in (('a', 80.0), ('b', 60.0)):
        metrics = {'rec/P@0.5': precision, 'rec/mIoU': 50.0, 'rec/expressions': 9}
        write_test(tmp_path / name, '1', metrics)

    results_table.main([f'with={tmp_path / "a"}', f'without={tmp_path / "b"}'])

    rows = cells_of(capsys.readouterr().out)
    assert [(row[0], row[3]) for row in rows[1:]] == [
        ('with', '80.0'),
        ('without', '60.0'),
    ]


def test_tests_of_one_name_become_mean_and_standard_deviation(tmp_path, capsys):
    for name, precision in (('a', 80.0), ('b', 83.0), ('c', 86.0)):
        metrics = {'rec/P@0.5': precision, 'rec/mIoU': 50.0, 'rec/expressions': 1200}
        write_test(tmp_path / name, '1', metrics | {'rec/order/P@0.5': precision / 2})

    results_table.main([f'seeds={tmp_path / name}' for name in 'abc'])

    assert cells_of(capsys.readouterr().out) == [
        ['test', 'split', 'expressions', 'P@0.5', 'mIoU'],
        ['seeds', 'all', '1,200', '83.0 ± 3.0', '50.0 ± 0.0'],
        ['P@0.5 by kind', '', 'order'],
        ['seeds', 'all', '41.5 ± 1.5'],
    ]


@pytest.mark.parametrize('order', ['ab', 'ba'])
@pytest.mark.parametrize('other', [{'rec/expressions': 8}, {'rec/order/P@0.5': None}])
def test_tests_of_other_expressions_have_no_common_name(tmp_path, capsys, other, order):
    metrics = {'rec/P@0.5': 1.0, 'rec/mIoU': 1.0, 'rec/expressions': 9}
    write_test(tmp_path / 'a', '1', metrics | {'rec/order/P@0.5': 1.0})
    write_test(tmp_path / 'b', '1', metrics | {'rec/order/P@0.5': 1.0} | other)

    assert results_table.main([f'x={tmp_path / name}' for name in order]) == 1

    assert 'x: the tests differ in' in capsys.readouterr().err


def test_newest_finished_test_of_a_work_dir_is_taken(tmp_path):
    write_test(tmp_path, '20260101_000000', {'rec/P@0.5': 1.0, 'rec/mIoU': 1.0})
    write_test(tmp_path, '20260102_000000', {'rec/P@0.5': 2.0, 'rec/mIoU': 2.0})
    (tmp_path / '20260103_000000' / 'vis_data').mkdir(parents=True)
    (tmp_path / '20260103_000000' / 'other.json').write_text('[]')

    assert results_table.read_metrics(tmp_path)['P@0.5'] == 2.0


@pytest.mark.parametrize(
    'content, said',
    [
        (None, 'no test was finished'),
        ('{"lo', 'not a complete JSON file'),
        (10**5 * '[', 'not a complete JSON file'),
        ('\xff', 'is no UTF-8 text'),
        ('[]', 'no P@0.5'),
        ('{"rec/P@0.5": 70.0}', 'no P@0.5 with its mIoU'),
        ('{"rec/P@0.5": 70.0, "rec/val/mIoU": 61.0}', 'no P@0.5 with its mIoU'),
        ('{"rec/P@0.5": "x", "rec/mIoU": 61.0}', "P@0.5 is 'x', no finite number"),
        ('{"rec/P@0.5": [70.0], "rec/mIoU": 61.0}', 'P@0.5 is [70.0], no finite'),
        ('{"rec/P@0.5": 70.0, "rec/mIoU": NaN}', 'mIoU is nan, no finite number'),
    ],
)
def test_what_is_no_test_gets_one_clear_error(tmp_path, capsys, content, said):
    if content is not None:
        (tmp_path / '1').mkdir()
        (tmp_path / '1' / '1.json').write_text(content, encoding='latin-1')

    assert results_table.main([str(tmp_path)]) == 1

    error = capsys.readouterr().err
    assert error.startswith(f'error: {tmp_path}') and said in error
