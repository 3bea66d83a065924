import os
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner

from m2ist_mm.config import load_config_file

ROOT = Path(__file__).resolve().parents[2]
# what a config must have to be trained
PARTS = 'model = dict()\ntrain_dataloader = dict()\ntrain_cfg = dict()\n'


@pytest.fixture
def config_path(tmp_path):
    path = tmp_path / 'small.py'
    path.write_text(
        f"{PARTS}optim_wrapper = dict(type='OptimWrapper')\n"
        'auto_scale_lr = dict(enable=False, base_batch_size=64)\n'
        "load_from = 'start.pth'\n"
        'resume = False\n'
        f"work_dir = '{tmp_path}'\n"
    )
    return path


@pytest.fixture
def trained(monkeypatch):
    """The configs that trainings were started with, instead of starting them."""
    configs = []

    class NoRunner:
        def __init__(self, config):
            configs.append(config)

        def register_hook(self, hook):
            pass

        def train(self):
            configs[-1].trained = True

    monkeypatch.setattr(Runner, 'from_cfg', NoRunner)
    return configs


def test_config_is_trained_as_it_is(run_tool, config_path, trained):
    assert run_tool('tools/train.py', config_path) == 0
    expected = load_config_file(config_path)
    (config,) = trained
    assert config.pop('trained')
    assert config.pop('launcher') == 'none'
    assert config.to_dict() == expected.to_dict()


def test_options_are_put_into_the_config(run_tool, config_path, trained):
    run_tool('tools/train.py', config_path, '--auto-scale-lr', '--amp', '--resume')
    (config,) = trained
    assert config.auto_scale_lr.enable
    assert config.optim_wrapper.type in ('AutocastOptimWrapper', 'AmpOptimWrapper')
    assert config.resume
    assert config.load_from is None  # the newest in the work dir


@pytest.mark.parametrize('options', [(), ('--amp',)])
def test_training_in_bfloat16_bounds_what_onednn_keeps(
    run_tool, config_path, trained, monkeypatch, options
):
    names = 'LRU_CACHE_CAPACITY', 'ONEDNN_PRIMITIVE_CACHE_CAPACITY'
    for name in names:
        monkeypatch.setenv(name, '7')  # so that it is as before afterwards
        monkeypatch.delenv(name)
    run_tool('tools/train.py', config_path, *options)
    bound = '128' if trained[0].optim_wrapper.type == 'AutocastOptimWrapper' else None
    assert [os.environ.get(name) for name in names] == [bound, bound]
    assert bound or not options or torch.cuda.is_available()


def test_resume_takes_a_checkpoint(run_tool, config_path, trained):
    run_tool('tools/train.py', config_path, '--resume', 'a/epoch_3.pth')
    assert trained[0].resume
    assert trained[0].load_from == 'a/epoch_3.pth'


def test_learning_rate_cannot_be_scaled_without_a_base(
    run_tool, config_path, trained, capsys
):
    text = config_path.read_text().replace(', base_batch_size=64', '')
    config_path.write_text(text)
    assert run_tool('tools/train.py', config_path, '--auto-scale-lr') == 1
    assert 'auto_scale_lr.base_batch_size' in capsys.readouterr().err
    assert not trained


def test_user_errors_are_one_line_without_traceback(run_tool, tmp_path, capsys):
    assert run_tool('tools/train.py', 'nope.py') == 1
    error = capsys.readouterr().err.splitlines()[0]
    assert error == 'error: there is no config file nope.py'


@pytest.mark.slow
def test_faulty_data_stop_the_training_with_one_line(
    write_nano_config, run_tool, tmp_path, refer_folder, capsys
):
    config = write_nano_config(tmp_path / 'nano', refer_folder.root)
    refer_folder.image_path(1).unlink()
    options = ('--cfg-options', 'experiment_name=faulty')
    assert run_tool('tools/train.py', config, *options) == 1
    lines = capsys.readouterr().err.splitlines()
    (error,) = (line for line in lines if line.startswith('error: '))
    assert str(refer_folder.image_path(1)) in error
    assert not any('Traceback' in line for line in lines)


@pytest.fixture
def resumable(tmp_path):
    """A config, and a checkpoint that was made with another learning rate."""
    config = tmp_path / 'changed.py'
    config.write_text(
        f"{PARTS}optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.2))\n"
        "default_hooks = dict(tuned_state=dict(type='TunedStateHook'))\n"
        f"work_dir = '{tmp_path}'\n"
    )
    old = Config.fromfile(config)
    old.optim_wrapper.optimizer.lr = 0.1
    torch.save(dict(meta=dict(cfg=old.pretty_text)), tmp_path / 'epoch_1.pth')
    (tmp_path / 'last_checkpoint').write_text('/elsewhere/epoch_1.pth')
    return config


def test_resume_takes_the_settings_that_count(run_tool, resumable, trained, capsys):
    tool = ('tools/train.py', resumable, '--resume', '--resume-settings')
    assert run_tool(*tool, 'checkpoint') == 0
    assert trained[0].load_from == str(resumable.parent / 'epoch_1.pth')
    assert trained[0].optim_wrapper.optimizer.lr == 0.1
    assert 'resume_settings' not in trained[0].default_hooks.tuned_state
    assert 'optim_wrapper.optimizer.lr = 0.1' in capsys.readouterr().out

    assert run_tool(*tool, 'config') == 0
    assert trained[1].optim_wrapper.optimizer.lr == 0.2
    assert trained[1].default_hooks.tuned_state.resume_settings == 'config'


def test_settings_to_resume_with_need_a_resume(run_tool, resumable, trained, capsys):
    assert run_tool('tools/train.py', resumable, '--resume-settings', 'config') == 1
    assert 'nothing is resumed, add --resume' in capsys.readouterr().err
