import json


def report(run_tool, tmp_path, config, *options):
    out = tmp_path / 'report.json'
    code = run_tool(
        'tools/analysis_tools/tuning_report.py', config, '--json', out, *options
    )
    assert code == 0
    return json.loads(out.read_text())


def test_paper_model_tunes_what_the_paper_says(run_tool, tmp_path, capsys):
    counts = report(run_tool, tmp_path, 'configs/m2ist/m2ist_r50_refcoco.py')
    assert counts == dict(
        tower_params=140814656,
        adapter_params=2975232,
        adapter_ratio=0.02113,
        head_params=8393732,
        trained_params=2975232 + 8393732,
        total_params=140814656 + 2975232 + 8393732,
    )
    output = capsys.readouterr().out
    assert '2,975,232     2.11% of the towers' in output


def test_options_change_what_is_counted(run_tool, tmp_path):
    counts = report(
        run_tool,
        tmp_path,
        'configs/m2ist/m2ist_r50_refcoco.py',
        *('--cfg-options', 'model.neck.experts=[]'),
    )
    assert counts['adapter_params'] == 0
    assert counts['trained_params'] == counts['head_params']


def test_model_without_towers_is_refused(run_tool, tmp_path, capsys):
    path = tmp_path / 'other.py'
    path.write_text(
        "model = dict(type='ConditionalDETR', backbone=dict(type='ResNet'))"
    )
    assert run_tool('tools/analysis_tools/tuning_report.py', path) == 1
    assert 'other.py: the model has no pair of towers' in capsys.readouterr().err
