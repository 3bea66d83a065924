"""Resuming trainings of the toy model: what is refused, and with what it goes on."""

import math
import re
import shutil

import pytest
import torch
from mmengine.config import Config

from m2ist_mm.checkpoints.resumable_checkpoint import newest_checkpoint
from m2ist_mm.checkpoints.torch_file import read_torch_file


def training(lr=0.01, milestones=(1,), **optimizer):
    """Settings of a training, and the config that states them."""
    changes = dict(
        optim_wrapper=dict(
            optimizer=dict(type='AdamW', lr=lr, **optimizer),
            constructor='mmdet.TunedOptimWrapperConstructor',
        ),
        param_scheduler=[
            dict(type='LinearLR', start_factor=0.5, by_epoch=False, begin=0, end=3),
            dict(type='MultiStepLR', milestones=list(milestones), gamma=0.5),
        ],
    )
    return dict(changes, cfg=Config(changes))


def change(path, **content):
    torch.save({**read_torch_file(path), **content}, path)


def change_optimizer(path, apply):
    optimizer = read_torch_file(path)['optimizer']
    apply(optimizer)
    change(path, optimizer=optimizer)


def set_moment(value):
    def apply(optimizer):
        optimizer['state'][0]['exp_avg'] = value

    return apply


@pytest.mark.parametrize(
    ('apply', 'reason'),
    [
        (
            set_moment(torch.full((4, 4), math.nan)),
            r'exp_avg of weight 0 is not finite',
        ),
        (set_moment(torch.zeros(4)), r'exp_avg .*shape \(4,\), the weight \(4, 4\)'),
        (set_moment(torch.zeros(3, 4)), r'shape \(3, 4\), the weight \(4, 4\)'),
        (lambda o: o['param_groups'][0]['params'].pop(), r'groups of \[3\] weights'),
        (lambda o: o.pop('state'), 'malformed'),
        (lambda o: o.update(state={'x': {}}), 'malformed'),
        (lambda o: o.update(param_groups=7), 'malformed'),
        (set_moment([]), 'exp_avg of weight 0 is no tensor'),
        (set_moment(None), 'exp_avg of weight 0 is no tensor'),
        (lambda o: o['state'][0].pop('step'), 'malformed: keys differ'),
        (lambda o: o['param_groups'][0].update(lr=math.inf), "optimiser's lr is not f"),
        (
            lambda o: o['param_groups'][0].update(betas=(0.9, math.nan)),
            "optimiser's betas is not finite",
        ),
        (lambda o: o['param_groups'][0].update(betas=[0.9]), 'betas is \\[0.9\\]'),
        (lambda o: o['param_groups'][0].update(lr='abc'), "optimiser's lr is 'abc'"),
        (lambda o: o['param_groups'][0].pop('weight_decay'), 'weight_decay is None'),
        (lambda o: o['param_groups'][0].update(amsgrad=[]), r'amsgrad is \[\]'),
        (lambda o: o.update(base_param_settings=dict(lr='a')), 'settings is malformed'),
    ],
)
def test_states_of_another_optimiser_are_refused(make_runner, tmp_path, apply, reason):
    make_runner(max_epochs=1).train()
    change_optimizer(tmp_path / 'run/epoch_1.resume.pth', apply)
    with pytest.raises(ValueError, match=rf'epoch_1.pth: .*{reason}') as error:
        make_runner(max_epochs=2, resume=True).train()
    assert '\n' not in str(error.value)


@pytest.mark.parametrize(
    ('content', 'reason'),
    [
        (dict(optimizer=None), 'no state of the optimiser'),
        (dict(optimizer=[]), 'malformed'),
        (dict(param_schedulers=[]), 'no state of 1 parameter schedulers'),
        (dict(param_schedulers=[dict(step=1)]), 'state of a MultiStepLR is malformed'),
        (dict(message_hub=[1]), 'no message hub'),
        (dict(progress=dict(epoch=2, iter=2)), 'meta.epoch is 1, and its resume file'),
        (dict(progress=dict(epoch=1, iter=3)), 'meta.iter is 2, and its resume file'),
    ],
)
def test_malformed_resume_files_are_refused(make_runner, tmp_path, content, reason):
    make_runner(max_epochs=1).train()
    change(tmp_path / 'run/epoch_1.resume.pth', **content)
    with pytest.raises(ValueError, match=f'epoch_1.pth: .*{reason}') as error:
        make_runner(max_epochs=2, resume=True).train()
    assert '\n' not in str(error.value)


@pytest.mark.parametrize(
    ('key', 'value'),
    [('gamma', math.nan), ('base_values', [math.inf]), ('_last_value', [-math.inf])],
)
def test_schedules_that_are_not_finite_are_refused(make_runner, tmp_path, key, value):
    make_runner(max_epochs=1).train()
    path = tmp_path / 'run/epoch_1.resume.pth'
    (state,) = read_torch_file(path)['param_schedulers']
    change(path, param_schedulers=[dict(state, **{key: value})])
    with pytest.raises(ValueError, match=f'{key} of its MultiStepLR is not finite'):
        make_runner(max_epochs=2, resume=True).train()


def test_a_schedule_without_a_number_is_refused(make_runner, tmp_path):
    make_runner(max_epochs=1).train()
    path = tmp_path / 'run/epoch_1.resume.pth'
    (state,) = read_torch_file(path)['param_schedulers']
    change(path, param_schedulers=[dict(state, gamma={})])
    with pytest.raises(ValueError, match=r'gamma of its MultiStepLR is \{\}'):
        make_runner(max_epochs=2, resume=True).train()


def test_a_schedule_without_a_best_value_yet_is_resumed(make_runner):
    schedule = [dict(type='ReduceOnPlateauLR', monitor='score', rule='greater')]
    options = dict(param_scheduler=schedule, val_cfg={})
    make_runner(max_epochs=1, **options).train()
    resumed = make_runner(max_epochs=2, resume=True, **options)
    resumed.train()
    assert resumed.iter == 4


@pytest.mark.parametrize(
    ('key', 'value'),
    [
        ('last_ckpt', [[]]),
        ('best_ckpt', '../..'),
        ('best_ckpt', 'run/'),
        ('best_score', 'abc'),
        ('best_score', math.nan),
        ('keep_ckpt_ids', ['/../../a']),
    ],
)
def test_paths_and_scores_that_are_none_are_refused(make_runner, tmp_path, key, value):
    options = dict(checkpoint=dict(save_best='score', rule='greater'), val_cfg={})
    make_runner(max_epochs=1, **options).train()
    path = tmp_path / 'run/epoch_1.resume.pth'
    hub = read_torch_file(path)['message_hub']
    hub['runtime_info'][key] = value
    change(path, message_hub=hub)
    with pytest.raises(ValueError, match=f'epoch_1.pth: .*message hub has {key}='):
        make_runner(max_epochs=2, resume=True, **options).train()
    assert path.exists()  # MMEngine removes a folder that is the best checkpoint


@pytest.mark.parametrize('content', [[1], dict(a=1), dict(weights_crc32=1, meta={})])
def test_what_is_no_resume_file_is_named(make_runner, tmp_path, content):
    make_runner(max_epochs=1).train()
    torch.save(content, tmp_path / 'run/epoch_1.resume.pth')
    with pytest.raises(ValueError, match='epoch_1.resume.pth is no resume file'):
        make_runner(max_epochs=2, resume=True).train()


@pytest.mark.parametrize(
    'meta',
    [dict(epoch=5), dict(iter=0), dict(epoch='1'), dict(seed='abc'), dict(seed=-1)],
)
def test_another_epoch_and_no_seed_are_refused(make_runner, tmp_path, meta):
    make_runner(max_epochs=1).train()
    path = tmp_path / 'run/epoch_1.pth'
    change(path, meta={**read_torch_file(path)['meta'], **meta})
    with pytest.raises(ValueError, match=r'epoch_1.pth: its meta\.\w+ is'):
        make_runner(max_epochs=7, resume=True).train()


def test_training_without_saved_optimiser_is_not_resumed(make_runner):
    make_runner(max_epochs=1, checkpoint=dict(save_optimizer=False)).train()
    with pytest.raises(ValueError, match='it has no state of the optimiser'):
        make_runner(max_epochs=2, resume=True).train()


# -- settings --------------------------------------------------------------


def test_changed_settings_are_named_and_refused(make_runner, tmp_path):
    make_runner(max_epochs=1, **training()).train()
    changed = training(lr=0.02, milestones=[2])
    runner = make_runner(max_epochs=2, resume=True, **changed)
    message = r'lr is 0\.01 .* 0\.02 .*milestones is \[1\] .* \[2\].*--resume-settings'
    with pytest.raises(ValueError, match=message):
        runner.train()
    unchanged = make_runner(max_epochs=2, resume=True, **training())
    unchanged.train()
    assert unchanged.epoch == 2


HOOKS = dict(
    logger=dict(type='LoggerHook', interval=1000),
    checkpoint=dict(type='mmdet.TunedCheckpointHook', interval=1),
    epoch_seed=dict(type='mmdet.EpochSeedHook'),
    tuned_state=dict(type='mmdet.TunedStateHook', resume_settings='config'),
)


class Rates:
    """Records the learning rate of each iteration."""

    def __init__(self, runner):
        self.seen = []

        def call_hook(name, **kwargs):
            if name == 'before_train_iter':
                self.seen.append(runner.optim_wrapper.get_lr()['lr'][0])
            type(runner).call_hook(runner, name, **kwargs)

        runner.call_hook = call_hook


@pytest.mark.parametrize('epochs', [1, 2])
def test_settings_of_the_config_are_in_force_after_the_resume(
    make_runner, tmp_path, epochs
):
    new = training(lr=0.02, milestones=[1, 3], weight_decay=0.5)
    whole = make_runner(name='whole', max_epochs=5, **new)
    expected = Rates(whole)
    whole.train()

    make_runner(name='parts', max_epochs=epochs, **training()).train()
    resumed = make_runner(
        name='parts', max_epochs=5, resume=True, default_hooks=HOOKS, **new
    )
    found = Rates(resumed)
    resumed.train()
    assert len(found.seen) == 2 * (5 - epochs)
    assert found.seen == pytest.approx(expected.seen[2 * epochs :])
    assert len(set(expected.seen)) > 3
    (group, *_) = resumed.optim_wrapper.optimizer.param_groups
    assert group['weight_decay'] == 0.5
    # and the moments of the checkpoint
    state = resumed.optim_wrapper.optimizer.state_dict()['state']
    assert state[0]['step'] == 10


def test_unchanged_config_resumes_alike_whoever_counts(make_runner):
    whole = make_runner(name='whole', max_epochs=3, **training())
    whole.train()
    make_runner(name='parts', max_epochs=1, **training()).train()
    resumed = make_runner(
        name='parts', max_epochs=3, resume=True, default_hooks=HOOKS, **training()
    )
    resumed.train()
    for name, value in whole.model.state_dict().items():
        assert torch.equal(resumed.model.state_dict()[name], value), name


def test_unknown_choice_is_refused(make_runner):
    hooks = dict(
        HOOKS, tuned_state=dict(type='mmdet.TunedStateHook', resume_settings=1)
    )
    with pytest.raises(ValueError, match='resume_settings=1'):
        make_runner(default_hooks=hooks)


# -- work dirs that were copied or moved -----------------------------------


def test_a_copied_work_dir_resumes_from_its_own_files(make_runner, tmp_path):
    options = dict(checkpoint=dict(save_best='score', rule='greater'), val_cfg={})
    make_runner(name='first', max_epochs=1, **options).train()
    shutil.copytree(tmp_path / 'first', tmp_path / 'copy')
    make_runner(name='first', max_epochs=3, resume=True, **options).train()
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / 'first').glob('*.pth')}

    copied = make_runner(name='copy', max_epochs=2, resume=True, **options)
    copied.train()
    assert copied.iter == 4
    after = {p: p.stat().st_mtime_ns for p in (tmp_path / 'first').glob('*.pth')}
    assert after == before
    best = [path.name for path in (tmp_path / 'copy').glob('best*')]
    assert len(best) == 1
    assert copied._load_from == str(tmp_path / 'copy/epoch_1.pth')


def test_a_moved_work_dir_is_resumed(make_runner, tmp_path):
    make_runner(name='first', max_epochs=1).train()
    shutil.move(tmp_path / 'first', tmp_path / 'moved')
    moved = make_runner(name='moved', max_epochs=2, resume=True)
    moved.train()
    assert moved.iter == 4
    assert not (tmp_path / 'first').exists()


def test_a_pointer_without_its_file_is_named(make_runner, tmp_path):
    make_runner(name='first', max_epochs=1).train()
    (tmp_path / 'copy').mkdir()
    shutil.copy(tmp_path / 'first/last_checkpoint', tmp_path / 'copy')
    message = re.escape(f'{tmp_path}/copy/last_checkpoint names epoch_1.pth, which is')
    with pytest.raises(FileNotFoundError, match=message):
        make_runner(name='copy', resume=True).train()


@pytest.mark.parametrize('content', [b'', b'\n', b'a\0b'])
def test_a_pointer_that_names_no_file_is_told(tmp_path, content):
    (tmp_path / 'last_checkpoint').write_bytes(content)
    with pytest.raises(ValueError, match='last_checkpoint names no file'):
        newest_checkpoint(tmp_path)


def test_checkpoints_in_a_folder_of_their_own_are_found(make_runner, tmp_path):
    out_dir = dict(out_dir=str(tmp_path / 'out'))
    make_runner(max_epochs=1, checkpoint=out_dir).train()
    assert newest_checkpoint(tmp_path / 'run') == str(tmp_path / 'out/run/epoch_1.pth')
    assert newest_checkpoint(tmp_path / 'none') is None
