import json
from pathlib import Path

import pytest
import torch
from mmdet.registry import MODELS

from m2ist_mm.config import load_config_file

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope='module')
def nano(nano_path):
    """Config of a tiny model, and a checkpoint of it that nothing has trained."""
    model = MODELS.build(load_config_file(nano_path).model)
    model.init_weights()
    checkpoint = nano_path.with_name('untrained.pth')
    torch.save(dict(state_dict=model.state_dict(), meta={}), checkpoint)
    return nano_path, checkpoint


def options(tmp_path, name):
    return '--work-dir', tmp_path / 'work', '--cfg-options', f'experiment_name={name}'


def test_results_and_images_of_every_expression_are_written(run_tool, nano, tmp_path):
    out, images = tmp_path / 'new' / 'results.json', tmp_path / 'images'
    code = run_tool(
        'tools/test.py',
        *nano,
        *('--out', out, '--show-dir', images),
        *options(tmp_path, 'out'),
    )
    assert code == 0
    results = json.loads(out.read_text())
    assert sorted(entry['sent_id'] for entry in results) == list(range(12, 20))
    assert sorted(path.name for path in images.iterdir()) == sorted(
        f'{Path(entry["img_path"]).stem}_{entry["sent_id"]}.jpg' for entry in results
    )


def test_data_root_is_where_the_data_are_read(run_tool, nano, tmp_path, capsys):
    arguments = ('--data-root', tmp_path, *options(tmp_path, 'root'))
    assert run_tool('tools/test.py', *nano, *arguments) == 1
    assert f'error: {tmp_path}' in capsys.readouterr().err


def test_missing_files_are_one_line_without_traceback(run_tool, nano, tmp_path, capsys):
    config, checkpoint = nano
    assert run_tool('tools/test.py', 'nope.py', checkpoint) == 1
    error = capsys.readouterr().err.splitlines()[0]
    assert error == 'error: there is no config file nope.py'
    assert run_tool('tools/test.py', config, tmp_path / 'nope.pth') == 1
    assert 'error: there is no checkpoint file' in capsys.readouterr().err


@pytest.mark.parametrize('out', ['results.pkl', 'results'])
def test_result_file_must_be_json(run_tool, nano, out, capsys):
    assert run_tool('tools/test.py', *nano, '--out', out) == 1
    assert f'--out {out}: the results are JSON' in capsys.readouterr().err


def test_checkpoint_that_could_run_code_is_refused_in_one_line(
    run_tool, nano, tmp_path, capsys
):
    class Bomb:
        def __reduce__(self):
            import os

            return os.mkdir, (str(tmp_path / 'ran'),)

    path = tmp_path / 'bomb.pth'
    torch.save(dict(state_dict={}, meta=Bomb()), path)
    assert run_tool('tools/test.py', nano[0], path, *options(tmp_path, 'bomb')) == 1
    lines = capsys.readouterr().err.splitlines()
    (error,) = (line for line in lines if line.startswith('error: '))
    assert 'bomb.pth' in error
    assert 'could run code' in error
    assert not (tmp_path / 'ran').exists()
