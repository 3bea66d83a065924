import csv
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from mmdet.registry import MODELS

from m2ist_mm.checkpoints.identity import tower_identity
from m2ist_mm.checkpoints.tuned_state import frozen_state_keys
from m2ist_mm.config import load_config_file
from m2ist_mm.fit.fit import Fit
from m2ist_mm.fit.fit_options import FitOptions
from m2ist_mm.fit.judge import Run
from m2ist_mm.fit.judge.rows_file import load_rows
from m2ist_mm.fit.plan import Need, Seconds

ROOT = Path(__file__).parents[2]


@pytest.fixture
def options(squares, nano_path, tmp_path):
    preset = tmp_path / 'grouped.py'
    preset.write_text(
        f'_base_ = {str(nano_path)!r}\n'
        'train_dataloader = dict(dataset=dict(max_expressions_per_sample=4))\n'
    )
    return FitOptions(
        source=str(squares), work_dir=str(tmp_path / 'work'), preset=str(preset)
    )


@pytest.fixture
def run(options):
    """Run a fit up to its plan, or as told; gives what it said."""

    def run(plan_only=True, restart=False, **changes):
        lines = []
        fit = Fit(replace(options, **changes), ROOT / 'tools', lines.append)
        fit.run(plan_only, restart)
        return lines

    return run


def no_tool(*args, **kwargs):
    raise AssertionError('something was trained')


@pytest.fixture(autouse=True)
def trains_nothing(monkeypatch):
    monkeypatch.setattr('m2ist_mm.fit.fit.run_tool', no_tool)


def test_plan_only_writes_a_config_that_can_be_trained(run, options):
    lines = run(memory='4GB', epochs=5)
    text = '\n'.join(lines)
    assert '60 of 60 sentences are used' in text
    assert 'of 4.00 GB on the CPU' in text
    assert '5 epochs of ' in text
    few = 'val has 3 and test has 3 images: what fewer than 20 show is rough'
    assert few in text
    assert '--plan-only stops here. ' in lines[-1]
    work = Path(options.work_dir)
    assert not (work / 'train').exists()
    plan = json.loads((work / 'plan.json').read_text())
    config = load_config_file(work / 'config.py')
    assert config.train_cfg.max_epochs == plan['epochs'] == 5
    assert config.train_dataloader.batch_size == plan['batch_size'] == 3
    assert plan['images'] == 24
    assert plan['steps'] == 8
    assert 0 < plan['seconds']['training'] < plan['seconds']['total']


@pytest.fixture
def unmeasured(monkeypatch):
    """Plans are made without steps that are counted or timed."""
    module = 'm2ist_mm.fit.planning'
    need, seconds = Need(10**7, 10**7, waste=0), Seconds(1.0, 1.0, 1.0)

    def fit_memory(wanted, load, memory, *_):
        if memory < need.total:
            raise ValueError('does not fit')
        return wanted, need

    monkeypatch.setattr(f'{module}.fit_memory', fit_memory)
    monkeypatch.setattr(f'{module}.fit_cache_batch', lambda wanted, *_: wanted)
    monkeypatch.setattr(f'{module}.time_parts', lambda *_: seconds)


def test_before_a_training_everything_may_change(run, unmeasured, options, squares):
    run(epochs=5)
    (squares / 'images' / '003.png').unlink()
    table = (squares / 'labels.csv').read_text().splitlines(keepends=True)
    kept = [line for line in table if '003.png' not in line]
    (squares / 'labels.csv').write_text(''.join(kept))
    assert '7 epochs of ' in '\n'.join(run(epochs=7))


def test_only_a_checkpoint_of_the_very_model_is_a_whole_start(
    run, unmeasured, options, tmp_path
):
    model = MODELS.build(load_config_file(options.preset).model)
    model.init_weights()
    own = model.state_dict()
    tuned = {name: own[name] for name in own.keys() - frozen_state_keys(model)}
    part = {name: tuned[name] for name in tuned if name.startswith('bbox_head.')}
    meta = dict(towers=tower_identity(model))
    for content, whole in (
        (dict(state_dict=tuned, meta=meta), True),
        (dict(state_dict=part, meta=meta), False),
        (dict(model=part, epoch=3), False),  # as others write theirs
    ):
        torch.save(content, tmp_path / 'start.pth')
        run(init=str(tmp_path / 'start.pth'))
        plan = json.loads((Path(options.work_dir) / 'plan.json').read_text())
        assert plan['start_is_whole'] is whole


@pytest.fixture
def begun(run, unmeasured, options):
    """A fit whose training has begun."""
    run()
    (Path(options.work_dir) / 'train').mkdir()


def test_then_other_options_are_named_and_refused(run, begun):
    with pytest.raises(ValueError) as error:
        run(epochs=7, memory='3GB')
    assert '--epochs was None and is 7' in str(error.value)
    assert "--memory was None and is '3GB'" in str(error.value)
    assert '--restart' in str(error.value)
    # what the report has besides may be asked for
    assert '--plan-only stops' in run(audit=True, learning_curve=True)[-1]


def test_a_preset_is_the_same_from_another_folder(run, begun, options, monkeypatch):
    preset = Path(options.preset)
    monkeypatch.chdir(preset.parent)
    assert '--plan-only stops' in run(preset=preset.name)[-1]


def test_a_training_without_its_plan_is_refused(run, begun, options):
    (Path(options.work_dir) / 'plan.json').write_text('{}')
    with pytest.raises(ValueError, match='plan.json there is no plan .*--restart'):
        run()


def test_a_start_that_has_changed_is_named_and_refused(
    run, unmeasured, options, tmp_path
):
    model = MODELS.build(load_config_file(options.preset).model)
    start = tmp_path / 'start.pth'

    def write_start():
        model.bbox_head.init_weights()
        torch.save(
            dict(state_dict=model.bbox_head.state_dict(prefix='bbox_head.')), start
        )

    write_start()
    run(init=str(start))
    (Path(options.work_dir) / 'train').mkdir()
    run(init=str(start))
    write_start()
    with pytest.raises(ValueError, match=r'another content of .*start.pth.*--restart'):
        run(init=str(start))
    run(init=str(start), restart=True)


@pytest.mark.parametrize('edited', ['config', 'preset'])
def test_an_edited_config_is_named_and_refused(run, begun, options, edited):
    path = Path(options.work_dir) / 'config.py'
    path = path if edited == 'config' else Path(options.preset)
    text = path.read_text()
    path.write_text(f'{text}optim_wrapper = dict(optimizer=dict(lr=0.5))\n')
    with pytest.raises(ValueError, match=r'config.py, or .* was edited .*--restart'):
        run()
    path.write_text(text)
    run()


def test_other_data_are_named_and_refused_and_restart_forgets(
    run, begun, options, squares
):
    with open(squares / 'labels.csv', 'a') as file:
        file.write('images/003.png,one more square,1,2,30,40\n')
    with pytest.raises(ValueError, match='labels.csv') as error:
        run()
    assert '--restart' in str(error.value)
    assert '\n' not in str(error.value)
    work = Path(options.work_dir)
    (work / 'predictions.json').write_text('[]')
    run(restart=True)
    assert not (work / 'train').exists()
    assert not (work / 'predictions.json').exists()


@pytest.mark.parametrize(
    'changes', [dict(memory='1MB'), dict(preset='huge'), dict(image_root='nowhere')]
)
def test_a_restart_that_cannot_be_planned_forgets_nothing(run, begun, options, changes):
    work = Path(options.work_dir)

    def contents():
        names = 'config.py plan.json data/summary.json data/splits.csv'.split()
        return [(work / name).read_bytes() for name in names]

    before = contents()
    with pytest.raises((OSError, ValueError)):
        run(restart=True, seed=1, **changes)
    assert contents() == before
    assert (work / 'train').exists()
    assert 'was begun' in '\n'.join(run())


def test_splits_that_were_edited_count_after_a_restart(run, begun, options):
    work = Path(options.work_dir)
    splits = work / 'data' / 'splits.csv'
    text = splits.read_text()
    assert ',test' in text
    splits.write_text(text.replace(',test', ',train', 1))
    with pytest.raises(ValueError, match='splits'):
        run()
    run(restart=True)
    assert json.loads((work / 'plan.json').read_text())['images'] == 25


def percent(squares):
    table = (squares / 'labels.csv').read_text().splitlines()
    rows = [line.split(',') for line in table[1:]]
    lines = [
        ','.join([*row[:2], *(f'{float(v) / 96:.3f}' for v in row[2:])]) for row in rows
    ]
    (squares / 'labels.csv').write_text('\n'.join([table[0], *lines]) + '\n')


def outside(squares):
    with open(squares / 'labels.csv', 'a') as file:
        file.write('images/003.png,the edge,60,10,99,30\n')


def few(squares):
    table = (squares / 'labels.csv').read_text().splitlines()
    (squares / 'labels.csv').write_text('\n'.join(table[:4]) + '\n')


def missing(squares):
    (squares / 'images' / '005.png').unlink()


def two_formats(squares):
    coco = dict(images=[], annotations=[], categories=[])
    (squares / 'coco.json').write_text(json.dumps(coco))


def no_images(squares):
    shutil.rmtree(squares / 'images')


@pytest.mark.parametrize(
    ('spoil', 'words'),
    [
        (percent, "--box-unit='relative'"),
        (outside, '--box-tolerance=1'),
        (few, 'images are needed'),
        (missing, '005.png.*--image-root; .*--skip-faulty'),
        (two_formats, '2 formats .* by --format$'),
        (no_images, 'no image'),
    ],
)
def test_wrong_data_are_refused_in_a_line_before_anything(
    run, squares, options, spoil, words
):
    spoil(squares)
    with pytest.raises(ValueError, match=words) as error:
        run(plan_only=False)
    assert '\n' not in str(error.value)
    assert not Path(options.work_dir, 'config.py').exists()


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        (dict(memory='1MB'), r'does not fit 1 MB: .* give --memory'),
        (dict(memory='much'), '--memory much: write a size'),
        (dict(init='shipped'), '--init shipped: no trained grounder is shipped'),
        (dict(init='none.pth'), '--init none.pth: there is no checkpoint'),
        (dict(preset='huge'), '--preset huge: is none of small'),
        (dict(source='nowhere'), 'nowhere'),
    ],
)
def test_wrong_options_are_refused_in_a_line_before_anything(run, changes, words):
    with pytest.raises((OSError, ValueError), match=words) as error:
        run(plan_only=False, **changes)
    assert '\n' not in str(error.value)


@pytest.mark.parametrize('changes', [dict(epochs=0), dict(seed=-1)])
def test_numbers_that_make_no_sense_are_refused(options, changes):
    with pytest.raises(ValueError, match='at least'):
        replace(options, **changes)


@pytest.fixture
def made_up(monkeypatch, unmeasured, squares):
    """Trains nothing; all that is tested is found, but for the first row."""

    def run_tool(command, *args):
        tool, path, *_ = map(str, command)
        config = load_config_file(path)
        if tool.endswith('train.py'):
            folder = Path(command[command.index('--work-dir') + 1])
            last = folder / f'epoch_{config.train_cfg.max_epochs}.pth'
            for mark in ('last_checkpoint', 'last_validation'):
                (folder / mark).write_text(str(last))
            last.touch()
        else:
            dataset = config.test_dataloader.dataset
            rows = load_rows(dataset.ann_file.replace('{split}', dataset.split))
            predictions = [
                dict(
                    sent_id=row['sent_id'],
                    gt_bbox=row['bbox'],
                    pred_bbox=[0, 60, 9, 70] if row['sent_id'] == 0 else row['bbox'],
                    iou=float(row['sent_id'] != 0),
                    truncated=False,
                )
                for row in rows
            ]
            Path(command[-1]).write_text(json.dumps(predictions))

    monkeypatch.setattr('m2ist_mm.fit.fit.run_tool', run_tool)


@pytest.mark.slow
def test_audit_marks_suspects_in_a_copy_of_the_annotations(run, made_up, options):
    lines = run(plan_only=False, audit=True)
    marked = Path(options.work_dir, 'suspects', 'labels.csv')
    assert any(
        line.startswith('labels to look at again: 1, ') and line.endswith(str(marked))
        for line in lines
    )
    first, *others = csv.DictReader(marked.read_text().splitlines())
    assert 0 < float(first['suspicion']) < 1.5
    assert first['reason'] == 'another place is predicted'
    assert not any(row['suspicion'] for row in others)
    report = json.loads(Path(options.work_dir, 'report.json').read_text())
    assert [row['sent_id'] for row in report['audit']['suspects']] == [0]
    run(plan_only=True, restart=True)
    assert not marked.exists()


def test_the_last_lines_can_be_pasted(run, made_up, options, squares):
    path = squares / 'labels.csv'
    with open(path, newline='') as file:
        table = list(csv.reader(file))
    for row in table[1:]:
        row[1] = f'say "{row[1]}" for $HOME'
    with open(path, 'w', newline='') as file:
        csv.writer(file).writerows(table)
    lines = run(plan_only=False, work_dir=str(Path(options.work_dir, 'a b')))
    command = next(
        line.strip() for line in lines[-1].splitlines() if 'image_demo.py' in line
    )
    _, _, image, text, _, config, *_ = shlex.split(command)
    assert re.fullmatch(r'say "the (red|green|blue) square" for \$HOME', text)
    assert Path(image).is_file() and Path(config).is_file()
    assert "'say" in command  # the shell leaves it as it is
    assert not any('suspects' in line for line in lines)


@pytest.mark.parametrize(
    ('key', 'option'),
    [
        ('train_cfg.max_epochs', '--epochs'),
        ('max_epochs', '--epochs'),
        ('randomness.seed', '--seed'),
        ('model.init_grounder', '--init'),
        ('train_dataloader.batch_size', 'plan'),
    ],
)
def test_what_the_plan_decides_is_no_option_of_the_config(options, key, option):
    with pytest.raises(ValueError, match=f'--cfg-options {key}: .*{option}'):
        replace(options, cfg_options={key: 3})


def test_an_option_of_the_config_that_goes_nowhere_is_refused(run):
    for key in ('param_scheduler.7.end', 'param_scheduler.first.end'):
        with pytest.raises(ValueError, match=f'--cfg-options {key}: '):
            run(cfg_options={key: 3})


def test_a_quote_in_the_work_dir_is_refused(options):
    with pytest.raises(ValueError, match='--work-dir .* quote'):
        Fit(replace(options, work_dir="Ann's"), ROOT / 'tools')


def test_a_work_dir_with_the_data_in_it_is_refused(options, squares):
    for work_dir in (squares, squares.parent):
        before = sorted(work_dir.iterdir())
        with pytest.raises(ValueError, match='is the data folder .*; name another'):
            Fit(replace(options, work_dir=str(work_dir)), ROOT / 'tools')
        assert sorted(work_dir.iterdir()) == before


def test_only_models_of_the_same_parts_are_averaged_with_the_start(
    options, monkeypatch, tmp_path
):
    starts = {}
    fit = Fit(options, ROOT / 'tools', str)
    monkeypatch.setattr(fit, '_render', lambda run, folder, _: '')
    monkeypatch.setattr(fit, '_train', lambda _, folder, name: folder)
    monkeypatch.setattr(fit, '_test', lambda *_: None)
    monkeypatch.setattr(
        fit, '_best', lambda _, folder, start: starts.update({folder.name: start})
    )
    rows = Path('rows.jsonl')
    for name, neck in (('curve_25', True), ('frozen', False)):
        run = Run(name, rows, rows, tmp_path / 'none.json', neck)
        fit._predict(run, None, Path('start.pth'), Path('model.pth'))
    assert starts == {'curve_25': Path('start.pth'), 'frozen': None}


def test_no_audit_with_a_start_that_has_learnt_the_labels(
    run, unmeasured, options, tmp_path
):
    run()
    checkpoint = Path(options.work_dir, 'train', 'best.pth')
    checkpoint.parent.mkdir()
    checkpoint.touch()
    later = dict(work_dir=str(tmp_path / 'later'), init=str(checkpoint), audit=True)
    with pytest.raises(ValueError, match='--init has learnt the labels of 24 of these'):
        run(**later)


def test_compare_needs_a_neck(run, options, tmp_path):
    without = tmp_path / 'without.py'
    without.write_text(f'_base_ = {options.preset!r}\nmodel = dict(neck=None)\n')
    with pytest.raises(ValueError, match='--compare: .* no neck'):
        run(preset=str(without), compare=True)


# -- the whole way; minutes on two cores ---------------------------------------


def start(options, *more):
    return subprocess.Popen(
        [
            *(sys.executable, 'tools/fit.py', options.source),
            *('--work-dir', options.work_dir, '--preset', options.preset, *more),
        ],
        cwd=ROOT,
        env={
            **os.environ,
            'PYTHONPATH': os.pathsep.join([str(ROOT), *sys.path]),
            'OMP_NUM_THREADS': '1',
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def figures(work):
    """The report, but for what depends on the clock."""
    report = json.loads((Path(work) / 'report.json').read_text())
    assert report.pop('plan')
    return report


# each is waited for, and then the command is killed
MOMENTS = (
    'data/images.json',
    'data/summary.json',
    'config.py',
    'plan.json',
    'caches/*/*.safetensors',
    'train/epoch_1.pth',
    'train/epoch_2.pth',
    'predictions.json',
    'judge/shuffled_in_image/config.py',
    'judge/curve_25/epoch_1.pth',
    'judge/curve_50.predictions.json',
    'report.json',
)


def finish(options, moments):
    """Kill a fit at each moment, then let it end; gives its figures and its words."""
    for moment in moments:
        killed = start(options, '--learning-curve')
        deadline = time.monotonic() + 300
        while not list(Path(options.work_dir).glob(moment)):
            assert killed.poll() is None, killed.stdout.read()
            assert time.monotonic() < deadline, moment
            time.sleep(0.02)
        killed.send_signal(signal.SIGKILL)
        killed.communicate()
    last = start(options, '--learning-curve')
    said, _ = last.communicate(timeout=900)
    assert last.returncode == 0, said
    return figures(options.work_dir), said


@pytest.mark.slow
def test_killed_anywhere_the_same_command_ends_with_the_same_report(options, tmp_path):
    # at once, each in its own work dir
    kills = [], MOMENTS[::2], MOMENTS[1::2]
    works = [replace(options, work_dir=str(tmp_path / f'{n}')) for n in range(3)]
    with ThreadPoolExecutor() as pool:
        (expected, said), *killed = pool.map(finish, works, kills)
    for word in ('image_demo.py', 'RECInferencer', 'export_onnx.py', '--init'):
        assert word in said.rpartition('report.html')[2]
    assert len(expected['learning_curve']['points']) == 3
    assert [found for found, _ in killed] == [expected, expected]


@pytest.mark.slow
def test_a_trained_start_is_judged_as_it_was_before(options, tmp_path):
    # two fits: three minutes
    said, _ = start(options).communicate(timeout=900)
    first = figures(options.work_dir)
    assert 'before this training' not in said
    checkpoint = next(Path(options.work_dir, 'train').glob('best_*.pth'))
    later = replace(options, work_dir=str(tmp_path / 'later'))
    said, _ = start(later, '--init', str(checkpoint)).communicate(timeout=900)
    control = figures(later.work_dir)['controls'][2]
    assert f'before this training: {control["P@0.5"]["value"]:.1f} %' in said
    for name in ('P@0.5', 'mIoU'):
        assert control[name] == first['model'][name]
    # the checkpoint of the last lines is the mean, unless val shows a loss
    mean, own, taken = re.search(
        r'its mean with the start: P@0.5 on val ([\d.]+) %, alone ([\d.]+) %; '
        r'the mean is (taken|not taken)',
        said,
    ).groups()
    epochs = re.findall(r'epoch \d+ of \d+: P@0.5 on val ([\d.]+) %', said)
    assert float(own) == max(map(float, epochs))
    assert taken == 'taken' or float(mean) < float(own)
    assert ('averaged.pth' in said) == (taken == 'taken')
    assert (Path(later.work_dir) / 'train' / 'averaged.pth').is_file()


@pytest.mark.slow
def test_a_signal_ends_it_in_a_line_that_says_how_to_go_on(options):
    stopped = start(options)
    while not list(Path(options.work_dir).glob('train/epoch_1.pth')):
        assert stopped.poll() is None, stopped.stdout.read()
        time.sleep(0.02)
    stopped.send_signal(signal.SIGINT)
    said, _ = stopped.communicate(timeout=60)
    assert stopped.returncode == 130
    last = said.strip().splitlines()[-1]
    assert last == 'stopped by SIGINT; the same command goes on from here'
