import json
import re
import runpy

import cv2
import pytest

TOOL = 'tools/analysis_tools/efficiency_report.py'
PAGE = 'tools/analysis_tools/benchmark/page.py'


@pytest.fixture(scope='module')
def nano_paths(nano_path):
    """Configs of a tuned and of a frozen model."""
    tuned = nano_path.with_name('tuned.py')
    tuned.write_text(
        f'_base_ = {str(nano_path)!r}\nmodel = dict(backbone=dict(freeze=False))\n'
    )
    return tuned, nano_path


@pytest.mark.slow
def test_report_compares_configs_and_becomes_a_page(
    run_tool, nano_paths, tmp_path, capsys
):
    tuned, frozen = nano_paths
    out = tmp_path / 'report.json'
    options = ('--expressions-per-image', 1, 3, '--batch-size', 9)
    runs = (f'full={tuned}', f'default={frozen}')
    assert run_tool(TOOL, *runs, *options, '--repetitions', 1, '--json', out) == 0
    output = capsys.readouterr().out
    errors = re.findall(r'error of extrapolating to 4 images +│ (\S+) +│ (\S+)', output)
    assert errors == [('+0.00%', '+0.00%')] * 2  # of what is saved, and of the peak

    report = json.loads(out.read_text())
    full, grouped = report['runs']
    assert [run['name'] for run in report['runs']] == ['full', 'default']
    assert (full['images'], full['expressions']) == (9, 9)
    assert (grouped['images'], grouped['expressions']) == (3, 9)
    for run in report['runs']:
        for check in (run['check']['saved'], run['check']['peak']):
            assert check['measured'] == check['extrapolated']
        assert run['saved'] == sum(run['saved_by_part'].values())
        assert run['saved_and_tuned'] == run['saved'] + 16 * run['tuned_parameters']
        training = run['training']
        per_batch = 4 * run['expressions_per_image']
        assert training['per_expression'] == training['median'] / per_batch
        assert training['median'] == training['seconds'][0]
        assert training['ratio'] == pytest.approx(
            training['per_expression'] / full['training']['per_expression']
        )
        assert run['inference']['images'] == 1
    assert grouped['saved'] < full['saved']
    assert grouped['tuned_parameters'] < full['tuned_parameters']
    # 591 MB per expression and 16 bytes per tuned parameter
    assert report['reference']['peak'] == 9 * 591_000_000 + 16 * 148_932_868

    page = ('--out', tmp_path / 'page', '--command', 'bash benchmark.sh')
    assert run_tool(PAGE, out, *page) == 0
    text = (tmp_path / 'page' / 'efficiency.md').read_text()
    assert '    bash benchmark.sh\n' in text
    share = grouped['peak'] / report['reference']['peak']
    assert f'| 39.61% | ≤ 25% | {share:.1%} | met |' in text
    assert '| the same with every exact saving on | – | ≤ 10% | not run |  |' in text
    for name in ('efficiency', 'saved_activations'):
        image = cv2.imread(str(tmp_path / 'page' / f'{name}.png'))
        assert image.std() > 10
        assert f'({name}.png)' in text


def test_inference_alone_is_timed_for_one_config_given_twice(
    run_tool, nano_paths, tmp_path, capsys
):
    out = tmp_path / 'report.json'
    runs = (f'single={nano_paths[1]}', f'together={nano_paths[1]}')
    options = ('--only-inference', '--repetitions', 3, '--json', out)
    assert run_tool(TOOL, *runs, '--expressions-per-image', 1, 8, *options) == 0
    single, together = (run['inference'] for run in json.loads(out.read_text())['runs'])
    assert len(single['seconds']) == len(together['seconds']) == 3
    turns = zip(single['seconds'], together['seconds'], strict=True)
    ratio = sorted(eight / 8 / one for one, eight in turns)[1]
    assert together['ratio'] == pytest.approx(ratio)
    output = capsys.readouterr().out
    assert f'{1 / ratio:.2f}' in output
    assert 'training' not in output


@pytest.mark.slow
def test_reference_is_timed_beside_full_fine_tuning(
    run_tool, nano_paths, tmp_path, capsys
):
    config = tmp_path / 'full.py'
    config.write_text(
        f'_base_ = {str(nano_paths[0])!r}\n'
        'model = dict(backbone=dict(vision=dict(fold_norms=True), '
        'language=dict(weights=None, arch=dict(\n'
        "    model_type='bert', vocab_size=12, hidden_size=48, num_hidden_layers=2,\n"
        '    num_attention_heads=2, intermediate_size=32))))\n'
    )
    out = tmp_path / 'report.json'
    options = ('--with-reference', '--repetitions', 1, '--json', out)
    assert run_tool(TOOL, f'full={config}', *options) == 0
    report = json.loads(out.read_text())
    reference, full = report['reference'], report['runs'][0]
    assert 'inference' in full and 'inference' not in reference
    seconds = reference['training']['seconds'][0]
    assert reference['training']['ratio'] == pytest.approx(
        seconds / full['training']['seconds'][0]
    )
    assert reference['saved_by_its_form'] > full['saved_per_expression']
    assert f'{1 / reference["training"]["ratio"]:.1%}' in capsys.readouterr().out
    page = ('--out', tmp_path / 'page', '--command', 'bash benchmark.sh')
    assert run_tool(PAGE, out, *page) == 0
    assert "Reference's step" in (tmp_path / 'page' / 'efficiency.md').read_text()


def test_ratios_are_held_against_the_targets():
    rows = runpy.run_path(PAGE)['target_rows']

    def run(name, peak, training, inference):
        times = dict(training=dict(ratio=training), inference=dict(ratio=inference))
        return dict(name=name, peak=peak, **times)

    report = dict(
        reference=dict(peak=40, training=dict(ratio=1.25)),
        runs=[
            run('full', 44, 1, 1.0),
            run('default', 10, 0.3, 0.8),
            run('grouped', 12, 0.2, 0.1),
            run('lowmem', 6, 0.5, 0.8),
        ],
    )
    assert [row[3:] for row in rows(report)] == [
        ['25.0%', 'met'],
        ['15.0%', '**missed**'],
        ['30.0%', 'met'],
        ['20.0%', '**missed**'],
        ['80.0%', 'met'],
        ['12.5%', 'met'],
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (['--expressions-per-image', 1, 2], 'has 2 numbers for 1 configs'),
        (['--sizes', 2, 2, 3], 'three different numbers'),
        (['--repetitions', -1], '--repetitions -1: at least 0'),
        (['--only-inference', '--repetitions', 0], 'needs --repetitions'),
        (['--with-reference', '--repetitions', 0], 'needs --repetitions'),
        (['--with-reference', '--only-inference'], 'is of training'),
        (['--with-reference', '--repetitions', 1], 'has frozen towers'),
    ],
)
def test_numbers_of_no_use_are_refused(run_tool, nano_paths, capsys, options, message):
    assert run_tool(TOOL, nano_paths[1], *options) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize('content', ['{', '[]', '{"runs": [{"name": "a"}]}'])
def test_page_of_another_file_is_refused(run_tool, tmp_path, capsys, content):
    path = tmp_path / 'other.json'
    path.write_text(content)
    assert run_tool(PAGE, path, '--out', tmp_path / 'page', '--command', 'x') == 1
    assert 'other.json is no report of efficiency_report.py' in capsys.readouterr().err
    assert not (tmp_path / 'page').exists()


@pytest.mark.parametrize(
    'option', ['--batch-size', '--sizes', '--expressions-per-image', '--timed-images']
)
def test_counts_are_above_0(run_tool, capsys, option):
    assert run_tool(TOOL, 'config.py', option, 0, 2, 3) == 2
    assert f"{option}: '0' is no whole number above 0" in capsys.readouterr().err
