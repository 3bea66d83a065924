import json
import re
import runpy
from pathlib import Path

import pytest
import torch
from mmdet.registry import MODELS

from m2ist_mm.config import load_config_file
from m2ist_mm.datasets import PadToCanvas
from m2ist_mm.evaluation import RECMetric

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


@pytest.mark.slow
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
    names = {
        entry['sent_id']: f'val_{Path(entry["img_path"]).stem}_{entry["sent_id"]}.jpg'
        for entry in results
    }
    page = images / 'contact_sheet.html'
    assert {path.name for path in images.iterdir()} == {page.name, *names.values()}
    listed = re.findall(r'>(val_.*\.jpg)</p>', page.read_text())
    ordered = sorted(results, key=lambda entry: entry['iou'])
    assert listed == [names[entry['sent_id']] for entry in ordered]


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


def test_test_set_without_boxes_is_predicted(run_tool, nano, tmp_path, capsys):
    config, checkpoint = nano
    unboxed = config.with_name('unboxed.py')
    unboxed.write_text(
        f'_base_ = {str(config)!r}\n'
        'test_dataloader = dict(dataset=dict(with_boxes=False))\n'
    )
    assert run_tool('tools/test.py', unboxed, checkpoint, *options(tmp_path, 'a')) == 1
    assert '--out FILE.json writes the predictions' in capsys.readouterr().err
    out = tmp_path / 'results.json'
    arguments = (unboxed, checkpoint, '--out', out, *options(tmp_path, 'b'))
    assert run_tool('tools/test.py', *arguments) == 0
    results = json.loads(out.read_text())
    assert sorted(entry['sent_id'] for entry in results) == list(range(12, 20))
    for entry in results:
        assert len(entry['pred_bbox']) == 4
        assert entry['gt_bbox'] is entry['iou'] is None


@pytest.mark.parametrize('scope', ['mmdet.', None])
def test_types_may_be_classes_or_have_a_scope(nano, scope):
    def name(kind):
        return kind if scope is None else scope + kind.__name__

    config = load_config_file(nano[0])
    config.test_evaluator = [dict(type='DumpResults'), dict(type=name(RECMetric))]
    pipeline = config.test_dataloader.dataset.pipeline
    pipeline[2].type = name(PadToCanvas)
    tool = runpy.run_path(str(ROOT / 'tools/test.py'))
    tool['set_result_file'](config, 'a/results.json')
    assert config.test_evaluator[1].outfile_prefix == 'a/results'
    tool['use_test_time_augmentation'](config)
    steps = config.test_dataloader.dataset.pipeline
    assert [step.type for step in steps] == [
        'LoadRECImage',
        'ResizeToFit',
        'TestTimeAug',
    ]
    assert [step[0].type for step in steps[2].transforms[1:]] == [
        name(PadToCanvas),
        'LoadAnnotations',
        'PackRECInputs',
    ]
