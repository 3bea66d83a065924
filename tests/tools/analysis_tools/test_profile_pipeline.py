import re

import pytest

TOOL = 'tools/analysis_tools/profile_pipeline.py'


def rows_of(output):
    """Step to its runs, milliseconds and share."""
    pattern = r'│ (\S.*?) +│ (\S+) +│ (\S+) +│ (\S+)% +│'
    return {
        name: tuple(map(float, numbers))
        for name, *numbers in re.findall(pattern, output)
    }


def test_steps_add_up(run_tool, nano_path, mini_refcoco, capsys):
    assert run_tool(TOOL, nano_path, '--data-root', mini_refcoco, '-n', 20) == 0
    rows = rows_of(capsys.readouterr().out)
    assert list(rows)[:2] == ['1 LoadRECImage', '2 LoadAnnotations']
    assert list(rows)[-2:] == ['around the steps', 'all']
    (jitter,) = (row for name, row in rows.items() if name.endswith('/ 1 ColorJitter'))
    assert 0.4 < jitter[0] < 1
    assert rows['1 LoadRECImage'][0] == 1
    *steps, whole = rows.values()
    assert whole[2] == 100
    for column in (1, 2):
        total = sum(step[column] for step in steps)
        assert total == pytest.approx(whole[column], abs=0.06 * len(steps))


def test_numbers_and_modes_of_no_use_are_refused(run_tool, nano_path, tmp_path, capsys):
    assert run_tool(TOOL, nano_path, '-n', 0) == 2
    assert "--number: '0' is no whole number above 0" in capsys.readouterr().err
    bare = tmp_path / 'bare.py'
    bare.write_text('model = dict()\n')
    assert run_tool(TOOL, bare, '--mode', 'val') == 1
    assert 'has no val_dataloader' in capsys.readouterr().err
