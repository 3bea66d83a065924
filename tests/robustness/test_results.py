"""Outcomes survive the end of a run."""

import runpy
from pathlib import Path

import pytest

Results = runpy.run_path(str(Path(__file__).with_name('results.py')))['Results']


@pytest.mark.parametrize('cut', [0, 5])
def test_a_run_that_was_stopped_goes_on_where_it_was(tmp_path, cut):
    path = tmp_path / 'some/results.jsonl'
    first = Results(path)
    for seed in (0, 1):
        first.run('input', 'image', seed, lambda: ('sensible', 'note'))
    content = path.read_text()
    path.write_text(content[: len(content) - cut])  # killed while it wrote

    ran = []
    second = Results(path)
    for seed in (0, 1, 2):
        row = second.run('input', 'image', seed, lambda: (ran.append(0), 'again'))
    assert len(ran) == (2 if cut else 1)
    assert row['note'] == 'again'
    assert len(Results(path).rows) == 3


def test_outcomes_of_other_code_are_not_taken(tmp_path):
    path = tmp_path / 'results.jsonl'
    Results(path).run('killed', '', 0, lambda: ('equal', ''))
    path.write_text(path.read_text().replace('"code": "', '"code": "0'))
    assert Results(path).rows == {}
