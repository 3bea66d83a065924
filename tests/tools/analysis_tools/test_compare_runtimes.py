import runpy
from math import isfinite

import pytest
import torch

TOOL = 'tools/analysis_tools/compare_runtimes.py'


def test_further_sentence_is_its_share_of_the_whole_call():
    make_table = runpy.run_path(TOOL)['make_table']
    table = make_table([0.01, 0.002, 0.03, 0.07], [0.005, 0.001, 0.02, 0.036])
    names, torch, onnxruntime = (list(column.cells) for column in table.columns)
    assert torch == ['10.0', '2.0', '30.0', '5.0']  # (70 - 30) / 8
    assert onnxruntime == ['5.0', '1.0', '20.0', '2.0']
    assert names[-1] == 'each further sentence of the call'


@pytest.mark.slow
def test_both_runtimes_are_timed(run_tool, nano, exported, capsys):
    threads = torch.get_num_threads()  # which the tool sets
    assert (
        run_tool(TOOL, *nano, exported, '--repetitions', 1, '--threads', threads) == 0
    )
    output = capsys.readouterr().out
    rows = [line.split()[-4:] for line in output.splitlines() if 'sentence' in line]
    assert 'image side' in output and len(rows) == 3
    assert all(isfinite(float(row[column])) for row in rows for column in (-4, -2))
    assert f'{threads} threads, 1 turns' in output


def test_wrong_input_is_one_line(run_tool, nano, tmp_path, capsys):
    assert run_tool(TOOL, *nano, tmp_path) == 1
    assert 'no exported model in' in capsys.readouterr().err
    for option in ('--threads', '--repetitions'):
        assert run_tool(TOOL, *nano, tmp_path, option, 0) == 2
        assert f"{option}: '0' is no whole number above 0" in capsys.readouterr().err
