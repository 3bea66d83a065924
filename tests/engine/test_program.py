import argparse
import errno
import logging
from collections import OrderedDict

import pytest
import torch
from mmdet.registry import DATASETS
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.runner import Runner

from m2ist_mm.config import load_config, use_mixed_precision
from m2ist_mm.engine.program import (
    add_config_arguments,
    add_run_arguments,
    positive_int,
    run_config,
    run_program,
)


@pytest.fixture(autouse=True)
def no_log_files(monkeypatch):
    monkeypatch.setattr(MMLogger, '_instance_dict', OrderedDict())


@pytest.fixture
def parse(tmp_path):
    """Parse options after a config with one dataset."""
    path = tmp_path / 'small.py'
    path.write_text(
        "train_dataloader = dict(batch_size=2, dataset=dict(data_root='old/'))\n"
        "optim_wrapper = dict(type='OptimWrapper', optimizer=dict(lr=0.1))\n"
    )
    parser = argparse.ArgumentParser()
    add_config_arguments(parser)
    add_run_arguments(parser)

    def parse(*options, config=path):
        return parser.parse_args([str(config), *options])

    return parse


@pytest.mark.parametrize('text', ['0', '-2', '1.5', 'x', ''])
def test_a_number_of_things_is_above_0(text, capsys):
    assert positive_int('12') == 12
    parser = argparse.ArgumentParser()
    parser.add_argument('--seeds', type=positive_int)
    with pytest.raises(SystemExit):
        parser.parse_args([f'--seeds={text}'])
    assert f'--seeds: {text!r} is no whole number above 0' in capsys.readouterr().err


def test_options_change_the_config(parse, tmp_path):
    config = load_config(
        parse(
            *('--data-root', 'new/', '--work-dir', 'out'),
            *('--cfg-options', 'optim_wrapper.optimizer.lr=0.5'),
        )
    )
    assert config.train_dataloader.dataset.data_root == 'new/'
    assert config.optim_wrapper.optimizer.lr == 0.5
    assert config.work_dir == 'out'
    assert config.launcher == 'none'


def test_work_dir_is_named_after_the_config(parse):
    assert load_config(parse()).work_dir == 'work_dirs/small'
    options = ('--cfg-options', 'work_dir=mine')
    assert load_config(parse(*options)).work_dir == 'mine'


def test_launcher_has_an_option_of_its_own(parse):
    with pytest.raises(ValueError, match='^--cfg-options launcher: .* --launcher$'):
        load_config(parse('--cfg-options', 'launcher=pytorch'))


def test_data_root_has_an_option_of_its_own(parse):
    with pytest.raises(ValueError, match='^--cfg-options data_root: .* --data-root$'):
        load_config(parse('--cfg-options', 'data_root=new/'))


def test_cfg_options_win_over_data_root(parse):
    options = ('--cfg-options', 'train_dataloader.dataset.data_root=last/')
    config = load_config(parse('--data-root', 'new/', *options))
    assert config.train_dataloader.dataset.data_root == 'last/'


def test_missing_config_is_named(parse):
    with pytest.raises(FileNotFoundError, match='there is no config file nope.py'):
        load_config(parse(config='nope.py'))


@pytest.mark.parametrize('name', ['a.yaml', 'a.yml', 'a.json', 'a'])
def test_configs_that_are_no_python_files_are_refused(parse, tmp_path, name):
    ran = tmp_path / 'ran'
    path = tmp_path / name
    path.write_text(f"x: !!python/object/apply:os.mkdir ['{ran}']\n")
    with pytest.raises(ValueError, match=f'{name}: a config is a Python file'):
        load_config(parse(config=path))
    assert not ran.exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason='is about machines without GPU')
@pytest.mark.parametrize('launcher', ['slurm', 'mpi'])
def test_launchers_that_need_gpus_say_so(parse, launcher):
    with pytest.raises(ValueError, match=f'--launcher {launcher} needs GPUs'):
        load_config(parse('--launcher', launcher))


@pytest.mark.parametrize(
    ('gpu', 'bfloat16', 'wrapper'),
    [
        (False, False, dict(type='AutocastOptimWrapper')),
        (True, True, dict(type='AutocastOptimWrapper')),
        (
            True,
            False,
            dict(type='AmpOptimWrapper', dtype='float16', loss_scale='dynamic'),
        ),
    ],
)
def test_mixed_precision_fits_the_device(parse, monkeypatch, gpu, bfloat16, wrapper):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: gpu)
    monkeypatch.setattr(
        torch.cuda, 'is_bf16_supported', lambda including_emulation: bfloat16
    )
    config = Config(
        dict(optim_wrapper=dict(type='OptimWrapper', accumulative_counts=2))
    )
    use_mixed_precision(config)
    assert config.optim_wrapper == dict(wrapper, accumulative_counts=2)


@pytest.mark.parametrize(
    ('error', 'message'),
    [
        (ValueError('3 weights missing'), 'error: 3 weights missing\n'),
        (
            FileNotFoundError(errno.ENOENT, 'No such file', 'a.pth'),
            "error: [Errno 2] No such file: 'a.pth'\n",
        ),
        (ImportError('mmcv is too old'), 'error: mmcv is too old\n'),
        (ValueError(), 'error: ValueError\n'),
    ],
)
def test_what_a_user_can_mend_is_one_line(capsys, error, message):
    def main():
        raise error

    assert run_program(main) == 1
    assert capsys.readouterr().err == message


def test_traceback_of_an_error_goes_to_the_log_file(tmp_path, capsys):
    log = tmp_path / 'run.log'
    MMLogger.get_instance('with_file', log_file=str(log))
    try:
        assert run_program(lambda: int('x')) == 1
    finally:
        logger = MMLogger.get_current_instance()
        for handler in logger.handlers:
            if isinstance(handler, logging.FileHandler):
                handler.close()
    assert 'Traceback' in log.read_text()
    assert "int('x')" in log.read_text()
    output = capsys.readouterr()
    assert 'Traceback' not in output.err + output.out
    assert str(log) in output.err


def test_errors_of_the_program_itself_are_not_hidden():
    with pytest.raises(ZeroDivisionError):
        run_program(lambda: 1 / 0)


def test_exit_code_is_the_programs(capsys):
    assert run_program(lambda: None) == 0
    assert run_program(lambda: 3) == 3
    assert capsys.readouterr().err == ''


@pytest.mark.parametrize(
    ('key', 'value', 'reason'),
    [
        ('val_evaluator.type', 'RECMetrik', "type='RECMetrik' cannot be .*registry"),
        ('train_dataloader.shufle', 1, "dataloader cannot be built: .*'shufle'"),
        ('train_dataloader.persistent_workers', True, 'dataloader cannot .*_workers >'),
        ('optim_wrapper.optimizer.betas', (2, 3), "type='AdamW' cannot .*beta parame"),
        ('model.neck.depht', 3, "type='M3ISA' cannot be built: .*'depht'"),
        ('model.bbox_head.num_heads', 5, "type='RECHead' cannot be built: embed_dim"),
        ('model.bbox_head.embed_dims', -4, "type='RECHead' cannot be built: .*-4"),
    ],
)
def test_what_cannot_be_built_is_named(nano_config, tmp_path, key, value, reason):
    nano_config.merge_from_dict({key: value, 'work_dir': str(tmp_path)})
    with pytest.raises(ValueError, match=rf'nano\.py: {reason}'):
        run_config(nano_config, 'train')


def test_what_a_program_cannot_build_itself_is_one_line(capsys):
    config = dict(type='RECFileDataset', ann_file='rows.jsonl')
    assert run_program(lambda: DATASETS.build(config)) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: type='RECFileDataset' cannot be built: ")
    assert "'file_format'" in error and error.count('\n') == 1


def test_errors_of_the_running_program_pass(nano_config, tmp_path, monkeypatch):
    def train(runner):
        raise TypeError('its own')

    monkeypatch.setattr(Runner, 'train', train)
    nano_config.work_dir = str(tmp_path)
    with pytest.raises(TypeError, match='its own'):
        run_config(nano_config, 'train')


@pytest.mark.parametrize(
    ('key', 'reason'),
    [
        ('model', 'there is no model'),
        ('val_cfg', 'val_cfg missing; val_dataloader, val_cfg, val_evaluator belong'),
        ('optim_wrapper', 'optim_wrapper missing; train_dataloader, train_cfg'),
    ],
)
def test_a_config_without_a_part_of_the_rest_is_refused(nano_config, key, reason):
    nano_config.pop(key)
    with pytest.raises(ValueError, match=reason):
        run_config(nano_config, 'train')
