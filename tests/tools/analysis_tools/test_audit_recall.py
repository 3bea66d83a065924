import json

TOOL = 'tools/analysis_tools/audit_recall.py'


def test_planted_faults_are_counted_in_a_report(tmp_path, run_tool, capsys):
    rows = [
        dict(
            image=f'{n // 2}.jpg',
            expression=f'thing {n}',
            bbox=[60 * (n % 2), 0, 90, 9],
        )
        for n in range(80)
    ]
    (tmp_path / 'rows.jsonl').write_text(''.join(json.dumps(r) + '\n' for r in rows))
    faults = tmp_path / 'faults.json'
    assert not run_tool(
        TOOL, 'plant', tmp_path / 'rows.jsonl', tmp_path / 'out', '--faults', faults
    )
    assert '4 of 80 rows are spoilt' in capsys.readouterr().out
    planted = {int(n): kind for n, kind in json.loads(faults.read_text()).items()}
    lines = (tmp_path / 'out' / 'rows.jsonl').read_text().splitlines()
    changed = [
        n
        for n, line in enumerate(lines)
        if json.loads(line) != rows[n] | dict(sent_id=n)
    ]
    assert changed == sorted(planted)

    (box, *_) = (n for n, kind in planted.items() if kind == 'box')
    (sound, *_) = (n for n in range(80) if n not in planted)
    suspects = [dict(sent_id=box), dict(sent_id=sound)]
    report = tmp_path / 'report.json'
    report.write_text(json.dumps(dict(audit=dict(rows=80, suspects=suspects))))
    assert not run_tool(TOOL, 'count', report, faults)
    assert capsys.readouterr().out == (
        '2 of 80 rows are listed; by chance they would hold 2 % of the faults\n'
        'all: 1 of 4, 25.0 %\nbox: 1 of 2, 50.0 %\nsentence: 0 of 2, 0.0 %\n'
    )


def test_report_without_audit_is_one_line(tmp_path, run_tool, capsys):
    (tmp_path / 'report.json').write_text('{"audit": null}')
    (tmp_path / 'faults.json').write_text('{}')
    assert run_tool(TOOL, 'count', tmp_path / 'report.json', tmp_path / 'faults.json')
    error = capsys.readouterr().err.strip()
    assert error.endswith('has no audit; run tools/fit.py with --audit')
    assert '\n' not in error


def test_what_cannot_be_planted_in_is_one_line(tmp_path, run_tool, capsys):
    rows = tmp_path / 'rows.jsonl'
    rows.write_text('{"image": "a.jpg", "bbox": [1, 2, 3, 4]}\n')
    faults = tmp_path / 'faults.json'
    for folder, words in (
        (tmp_path / 'out', "line 1: has no 'expression'"),
        (tmp_path, 'would be replaced; name another folder'),
    ):
        assert run_tool(TOOL, 'plant', rows, folder, '--faults', faults)
        error = capsys.readouterr().err.strip()
        assert words in error and '\n' not in error
    assert rows.read_text().startswith('{"image"')
