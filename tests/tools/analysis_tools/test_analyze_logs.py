import json

import cv2
import pytest

TOOL = 'tools/analysis_tools/analyze_logs.py'


def write_log(folder, time, lines):
    path = folder / time / 'vis_data' / 'scalars.json'
    path.parent.mkdir(parents=True)
    path.write_text(''.join(json.dumps(line) + '\n' for line in lines))
    return path


def iteration(number, loss):
    return {'loss': loss, 'lr': 0.1, 'epoch': 1, 'iter': number, 'step': number}


@pytest.fixture
def work_dir(tmp_path):
    """A training that was killed after iteration 3 and resumed from 2."""
    folder = tmp_path / 'run'
    epoch = {'rec/P@0.5': 40.0, 'rec/mIoU': 35.0, 'step': 1}
    write_log(folder, '20260101_000000', [*map(iteration, (1, 2, 3), (9, 7, 8)), epoch])
    epoch = {'rec/P@0.5': 60.0, 'rec/mIoU': 45.0, 'step': 2}
    write_log(folder, '20260101_000500', [*map(iteration, (3, 4), (6, 6.5)), epoch])
    return folder


def test_logs_of_a_work_dir_are_joined(run_tool, work_dir, capsys):
    assert run_tool(TOOL, work_dir) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ['loss', 'last', '6.5', 'best', '6', 'median', '6.75'] in lines
    assert ['rec/P@0.5', 'last', '60', 'best', '60', 'median', '50'] in lines
    assert not [line for line in lines if line[0] in ('lr', 'rec/mIoU')]
    image = cv2.imread(str(work_dir / 'curves.png'))
    assert image.shape == (350, 1200, 3)  # two panels


def test_keys_logs_and_file_can_be_chosen(run_tool, work_dir, tmp_path, capsys):
    other = write_log(tmp_path / 'b', 'x', [iteration(1, 5.0), iteration(2, 4.0)])
    out = tmp_path / 'new' / 'a.png'
    code = run_tool(TOOL, other, work_dir, '--keys', 'loss', '--out', out)
    assert code == 0
    output = capsys.readouterr().out
    assert output.count('loss') == 2
    assert 'best          4' in output
    image = cv2.imread(str(out))
    assert image.shape == (350, 600, 3)
    colours = {tuple(colour) for colour in image.reshape(-1, 3)}
    assert len({c for c in colours if max(c) - min(c) > 120}) >= 2  # two lines


def test_the_shortest_time_is_the_best(run_tool, tmp_path, capsys):
    log = write_log(tmp_path, 'x', [{'time': t, 'step': 1 + t} for t in (1, 3, 2)])
    run_tool(TOOL, log, '--keys', 'time', '--out', tmp_path / 'a.png')
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ['time', 'last', '3', 'best', '1', 'median', '2'] in lines


def test_curve_shows_the_values(work_dir):
    import runpy

    tool = runpy.run_path('tools/analysis_tools/analyze_logs.py')
    curves = tool['read_log'](work_dir)
    assert curves['loss'] == {1: 9, 2: 7, 3: 6, 4: 6.5}
    assert curves['rec/P@0.5'] == {1: 40.0, 2: 60.0}


def test_a_single_validation_is_a_labelled_value(monkeypatch):
    import runpy

    from matplotlib.figure import Figure

    figures = []
    monkeypatch.setattr(Figure, 'tight_layout', lambda figure: figures.append(figure))
    tool = runpy.run_path('tools/analysis_tools/analyze_logs.py')
    logs = {
        'one': {'rec/P@0.5': {1: 40.125}, 'loss': {1: 9.0, 2: 8.0}},
        'other': {'rec/P@0.5': {1: 60.0}},
    }
    tool['draw'](logs, ['rec/P@0.5', 'loss'])
    single, curve = figures[0].axes
    labels = [(text.get_text(), text.xy, text.get_color()) for text in single.texts]
    colors = [line.get_color() for line in single.lines]
    assert labels == [('40.12', (1, 40.125), colors[0]), ('60', (1, 60.0), colors[1])]
    assert colors[0] != colors[1]
    assert not list(curve.texts)


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ('', 'no value was logged yet'),
        ('{"loss": 1, "step": 1}\n{"loss": ', 'line 2 is not a line of a JSON log'),
        ('[1]\n', 'line 1 is not a line of a JSON log'),
        ('{"loss": 1}\n', 'line 1 is not a line of a JSON log'),
    ],
)
def test_faulty_logs_are_named(run_tool, tmp_path, capsys, content, message):
    path = tmp_path / 'log.json'
    path.write_text(content)
    assert run_tool(TOOL, path) == 1
    error = capsys.readouterr().err
    assert str(path) in error
    assert message in error
    assert not (tmp_path / 'curves.png').exists()


def test_unknown_keys_and_files_are_named(run_tool, work_dir, tmp_path, capsys):
    assert run_tool(TOOL, work_dir, '--keys', 'lost') == 1
    error = capsys.readouterr().err
    assert "no 'lost' in the logs" in error
    assert 'loss, lr, rec/P@0.5' in error
    assert run_tool(TOOL, tmp_path / 'nope') == 1
    assert 'nope: no JSON log there' in capsys.readouterr().err
    assert run_tool(TOOL, work_dir, '--out', 'a.svg') == 1
    assert 'call it *.png' in capsys.readouterr().err
