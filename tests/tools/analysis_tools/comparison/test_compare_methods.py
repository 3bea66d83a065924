import json
import subprocess
import sys
from types import SimpleNamespace

import compare_methods
import pytest

TOOL = 'tools/analysis_tools/compare_methods.py'
CONFIG = 'configs/m2ist/m2ist_yolox-nano_flickr30k-part.py'


@pytest.mark.parametrize(
    ('stderr', 'told'),
    [
        (b'a warning\nerror: no data\n(where it happened: a.log)\n', 'error: no data'),
        (b'Traceback:\n  a line\nKeyError: 1\n', 'KeyError: 1'),
        (b'', 'exit code -9'),  # killed
    ],
)
def test_failed_run_says_why(stderr, told, monkeypatch):
    done = SimpleNamespace(returncode=-9, stderr=stderr)
    monkeypatch.setattr(subprocess, 'run', lambda *_, **__: done)
    with pytest.raises(ValueError, match=f'train.py a.py failed: {told}$'):
        compare_methods.call('train.py', 'a.py')


@pytest.fixture
def arguments(tmp_path, monkeypatch):
    """Parses a command line whose folders are temporary."""

    def parse(*options):
        command = ['compare_methods.py', CONFIG, '--out', str(tmp_path)]
        command += ['--work-dir', str(tmp_path), '--data-root', 'data', *options]
        monkeypatch.setattr(sys, 'argv', command)
        return compare_methods.parse_args()

    return parse


def test_fingerprint_is_of_the_towers_and_not_of_the_cache(arguments):
    def of(*options):
        args = arguments(*options)
        return compare_methods.fingerprint(
            compare_methods.derive(args, 'frozen', None, seed=0)
        )

    whole = of()
    assert of('--cfg-options', 'default_hooks.feature_cache=None') == whole
    assert of('--cfg-options', 'model.backbone.vision.stride=96') != whole


@pytest.mark.parametrize(
    ('method', 'experts', 'tuned'),
    [
        ('frozen', None, False),
        ('frozen-inputs', (), False),
        ('m2ist-iea', ('iea',), False),
        ('full', None, True),
        ('lora', None, True),
    ],
)
def test_a_method_is_the_config_with_its_changes(arguments, method, experts, tuned):
    config = compare_methods.derive(arguments(), method, None, seed=3)
    neck, backbone = config.model.neck, config.model.backbone
    assert (neck if neck is None else tuple(neck.experts)) == experts
    assert ('tuner' in backbone or not backbone.get('freeze', True)) == tuned
    # features of what is tuned change with every step
    assert ('feature_cache' in config.default_hooks) != tuned
    assert config.randomness.seed == 3


@pytest.mark.parametrize(
    ('method', 'part'), [('m2ist', 'neck'), ('adapter', 'backbone')]
)
def test_a_rate_is_that_of_the_part_that_is_tuned(arguments, method, part):
    config = compare_methods.derive(arguments(), method, 0.25, 0)
    key = config.optim_wrapper.paramwise_cfg.custom_keys[part]
    assert key == dict(lr_mult=0.25, muon=False)  # the rest is the config's


@pytest.mark.parametrize(
    ('config', 'told'),
    [('configs/petl/frozen_r50_refcoco.py', 'give a config of M²IST'),
     ('configs/petl/ladder_r50_refcoco.py', 'give a config of M²IST'),
     ('none.py', 'no config file none.py')],
)  # fmt: skip
@pytest.mark.parametrize('page', [(), ('--page', 'page.md')])
def test_another_config_is_refused(config, told, page, run_tool, tmp_path, capsys):
    options = ('--out', tmp_path / 'out', '--methods', 'frozen-inputs', *page)
    assert run_tool(TOOL, config, *options) == 1
    assert told in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize('option', ['--out', '--work-dir'])
def test_a_file_in_the_place_of_a_folder_is_told_first(
    option, run_tool, tmp_path, capsys
):
    (tmp_path / 'a').touch()
    folders = ('--out', tmp_path, '--work-dir', tmp_path, option, tmp_path / 'a')
    assert run_tool(TOOL, CONFIG, *folders) == 1
    assert f'error: {option} {tmp_path}/a: no folder' in capsys.readouterr().err


@pytest.mark.parametrize('option', ['--seeds', '--other-seeds', '--short-images'])
def test_no_runs_at_all_are_refused(option, arguments, capsys):
    with pytest.raises(SystemExit):
        arguments(option, '0')
    assert f'{option}: ' in capsys.readouterr().err


def test_amp_is_in_config_and_device(arguments):
    config = compare_methods.derive(arguments('--amp'), 'frozen', None, 0)
    assert config.optim_wrapper.type == 'AutocastOptimWrapper'
    plain, half = map(compare_methods.device_name, (False, True))
    assert half == f'{plain}, 16 bits'


def test_short_runs_come_first_then_seed_by_seed(arguments):
    args = arguments('--methods', 'frozen', 'ladder', '--seeds', '2')
    assert [path.stem for path, _ in compare_methods.jobs(args)] == [
        'choice_ladder_0.1',
        'choice_ladder_0.3',
        'choice_ladder_1',
        'run_frozen_0',
        'run_ladder_0',
        'run_frozen_1',
    ]


def test_a_run_waits_for_its_choices_and_takes_the_best_rate(
    arguments, monkeypatch, tmp_path
):
    args, taken = arguments(), []

    def make_run(args, method, *_):
        taken.append(compare_methods.chosen_rate(args, method))
        return {}

    monkeypatch.setattr(compare_methods, 'make_run', make_run)
    path = tmp_path / 'run_dara_0.json'
    for rate, dev in ((0.02, 40.0), (0.1, 42.0), (0.3, 41.0)):
        assert not compare_methods.work(args, path, (make_run, 'dara', 0))
        choice = tmp_path / f'choice_dara_{rate:g}.json'
        made = dict(settings='a', rate=rate, dev=dev, images=9, device='CPU')
        choice.write_text(json.dumps(made))
    for _ in range(2):  # what is there is not made again
        compare_methods.work(args, path, (make_run, 'dara', 0))
    assert path.exists() and taken == [0.1]


def test_a_training_of_another_config_or_code_is_not_gone_on_with(
    arguments, monkeypatch, tmp_path
):
    calls, code = [], ['a']
    monkeypatch.setattr(compare_methods, 'call', lambda *told: calls.append(told))
    monkeypatch.setattr(compare_methods, 'git', lambda *_: code[0])
    folder = tmp_path / 'run_m2ist_0'
    config = compare_methods.derive(arguments(), 'm2ist', 1.0, 0)

    def train():
        compare_methods.train(config, folder)
        (folder / 'last_checkpoint').touch()
        return '--resume' in calls[-1]

    assert [train(), train()] == [False, True]
    code[0] = 'b'
    with pytest.raises(ValueError, match='run_m2ist_0: was begun with another config'):
        train()
    code[0] = 'a'
    assert train()
    config.model.bbox_head.dropout = 0.3
    with pytest.raises(ValueError, match='remove it, or give another --work-dir'):
        train()


def test_files_of_other_settings_are_refused(arguments, tmp_path, capsys, run_tool):
    lr = ('--cfg-options', 'optim_wrapper.optimizer.lr=1')
    cached = ('--cfg-options', 'default_hooks.feature_cache=None')
    name = 'm2ist_yolox-nano_flickr30k-part'
    assert compare_methods.settings(arguments(*cached)) == name
    assert compare_methods.settings(arguments(*lr)) == f'{name} {lr[1]}'
    choice = dict(settings=name, rate=0.1, dev=1.0, images=9, device='CPU')
    (tmp_path / 'choice_m2ist_0.1.json').write_text(json.dumps(choice))
    command = [TOOL, CONFIG, '--out', tmp_path, '--work-dir', tmp_path]
    for options, told in ((lr, f'settings {name}, not'), ((), 'images 9, not 2200')):
        assert run_tool(*command, *options) == 1
        assert f'was made with {told}' in capsys.readouterr().err
