import errno
import os
import resource
import signal
from pathlib import Path

import pytest
import torch

from m2ist_mm.checkpoints import safe_loading
from m2ist_mm.checkpoints.identity import tower_identity
from m2ist_mm.checkpoints.torch_file import read_torch_file as load
from m2ist_mm.evaluation import RECMetric


def names(folder):
    return sorted(path.name for path in Path(folder).iterdir() if path.is_file())


def tuned_names():
    return {f'{m}.{p}' for m in ('neck', 'bbox_head') for p in ('weight', 'bias')}


def test_checkpoint_holds_tuned_weights_and_meta_alone(make_runner, tmp_path):
    runner = make_runner()
    runner.train()
    checkpoint = load(tmp_path / 'run/epoch_2.pth')
    assert set(checkpoint) == {'meta', 'state_dict'}
    assert set(checkpoint['state_dict']) == tuned_names()
    meta = checkpoint['meta']
    assert (meta['epoch'], meta['iter'], meta['seed']) == (2, 4, 3)
    assert meta['dataset_meta'] == dict(classes=('referent',))
    assert meta['towers'] == tower_identity(runner.model)
    torch.testing.assert_close(
        checkpoint['state_dict']['neck.weight'], runner.model.neck.weight.data
    )


def test_resume_file_is_kept_for_the_newest_checkpoint_alone(make_runner, tmp_path):
    make_runner(max_epochs=3).train()
    assert [n for n in names(tmp_path / 'run') if n.endswith('.pth')] == [
        'epoch_1.pth',
        'epoch_2.pth',
        'epoch_3.pth',
        'epoch_3.resume.pth',
    ]
    pointer = (tmp_path / 'run/last_checkpoint').read_text()
    assert pointer == str(tmp_path / 'run/epoch_3.pth')


def test_max_keep_ckpts_removes_the_oldest(make_runner, tmp_path):
    make_runner(max_epochs=4, checkpoint=dict(max_keep_ckpts=2)).train()
    assert [n for n in names(tmp_path / 'run') if n.startswith('epoch')] == [
        'epoch_3.pth',
        'epoch_4.pth',
        'epoch_4.resume.pth',
    ]


def test_best_checkpoint_is_small_and_replaces_the_one_before(make_runner, tmp_path):
    make_runner(
        max_epochs=3, checkpoint=dict(save_best='score', rule='greater'), val_cfg={}
    ).train()
    best = [n for n in names(tmp_path / 'run') if n.startswith('best')]
    assert best == ['best_score_epoch_2.pth']
    checkpoint = load(tmp_path / 'run' / best[0])
    assert set(checkpoint) == {'meta', 'state_dict'}
    assert set(checkpoint['state_dict']) == tuned_names()


def test_iteration_based_training_writes_the_same(make_runner, tmp_path):
    make_runner(
        checkpoint=dict(by_epoch=False, interval=2),
        train_cfg=dict(by_epoch=False, max_iters=4),
        sampler='InfiniteSampler',
        param_scheduler=None,
    ).train()
    assert [n for n in names(tmp_path / 'run') if n.endswith('.pth')] == [
        'iter_2.pth',
        'iter_4.pth',
        'iter_4.resume.pth',
    ]


def test_checkpoint_of_a_call_to_save_checkpoint_is_one_resumable_file(
    make_runner, tmp_path
):
    runner = make_runner(max_epochs=1)
    runner.train()
    runner.save_checkpoint(str(tmp_path), 'mine.pth')
    saved = load(tmp_path / 'mine.pth')
    assert {'optimizer', 'message_hub', 'param_schedulers'} < set(saved)
    assert set(saved['state_dict']) == tuned_names()


def test_full_disk_leaves_the_older_checkpoint(make_runner, tmp_path):
    make_runner(max_epochs=1).train()
    before = {n: (tmp_path / 'run' / n).read_bytes() for n in names(tmp_path / 'run')}

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    runner = make_runner(max_epochs=2, load_from=None, resume=True)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))
        with pytest.raises(OSError, match=r'the file was not written.*epoch_2') as info:
            runner.train()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert info.value.errno == errno.EFBIG
    assert {
        n: (tmp_path / 'run' / n).read_bytes()
        for n in names(tmp_path / 'run')
        if n in before
    } == before
    assert not [n for n in names(tmp_path / 'run') if 'epoch_2' in n or '.tmp' in n]


def test_best_checkpoint_survives_when_the_better_one_cannot_be_written(
    make_runner, tmp_path, monkeypatch
):
    runner = make_runner(
        max_epochs=3, checkpoint=dict(save_best='score', rule='greater'), val_cfg={}
    )
    replace = os.replace

    def fail(source, target):
        if Path(target).name == 'best_score_epoch_2.pth':
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        replace(source, target)

    monkeypatch.setattr(os, 'replace', fail)
    with pytest.raises(OSError, match='No space left on device.*best_score_epoch_2'):
        runner.train()
    best = [n for n in names(tmp_path / 'run') if n.startswith(('best', '.'))]
    assert best == ['best_score_epoch_1.pth']


def test_killed_between_its_files_the_save_before_can_be_resumed(
    make_runner, tmp_path, monkeypatch
):
    make_runner(max_epochs=1).train()
    runner = make_runner(max_epochs=2, resume=True)
    replace = os.replace

    def die(source, target):
        if Path(target).name == 'epoch_2.pth':
            raise KeyboardInterrupt
        replace(source, target)

    monkeypatch.setattr(os, 'replace', die)
    with pytest.raises(KeyboardInterrupt):
        runner.train()
    monkeypatch.undo()
    runner = make_runner(max_epochs=2, resume=True)
    with safe_loading():
        runner.load_or_resume()
    assert runner.epoch == 1


def test_it_refuses_remote_folders(make_runner):
    with pytest.raises(ValueError, match='s3://bucket is not a local folder'):
        make_runner(checkpoint=dict(out_dir='s3://bucket')).train()
    with pytest.raises(ValueError, match='local folders'):
        make_runner(checkpoint=dict(backend_args=dict(backend='petrel')))


def test_averaged_weights_are_saved_without_towers(make_runner, tmp_path):
    make_runner(custom_hooks=[dict(type='EMAHook', momentum=0.5)]).train()
    assert set(load(tmp_path / 'run/epoch_2.pth')) == {'meta', 'state_dict'}
    averaged = load(tmp_path / 'run/epoch_2.resume.pth')
    assert set(averaged['ema_state_dict']) == {
        'steps',
        *(f'module.{name}' for name in tuned_names()),
    }


def test_models_without_towers_are_saved_whole(make_runner, toy_model, tmp_path):
    model = toy_model(freeze=False)
    make_runner(model=model, max_epochs=1).train()
    checkpoint = load(tmp_path / 'run/epoch_1.pth')
    assert set(checkpoint['state_dict']) == set(model.state_dict())
    assert 'towers' not in checkpoint['meta']


def test_weights_that_are_not_finite_are_not_saved(make_runner, tmp_path):
    best = dict(save_best='score', rule='greater')
    make_runner(max_epochs=1, checkpoint=best, val_cfg={}).train()
    before = sorted((tmp_path / 'run').glob('*.pth'))
    runner = make_runner(max_epochs=2, checkpoint=best, val_cfg={}, resume=True)
    after_train_iter = runner.call_hook

    def call_hook(name, **kwargs):
        if name == 'after_train_epoch':
            runner.model.neck.bias.data[0] = float('nan')
        after_train_iter(name, **kwargs)

    runner.call_hook = call_hook
    with pytest.raises(ValueError, match=r'1 weights that are not finite \(neck.bias'):
        runner.train()
    assert sorted((tmp_path / 'run').glob('*.pth')) == before


BEST = dict(checkpoint=dict(save_best='score', rule='greater'), val_cfg={})


def kill_at(runner, name):
    """Let a runner end where it calls the hooks of a point the second time."""
    call_hook, calls = runner.call_hook, []

    def killed(point, **kwargs):
        if point == name:
            calls.append(point)
        if len(calls) == 2:
            raise KeyboardInterrupt
        call_hook(point, **kwargs)

    runner.call_hook = killed
    with pytest.raises(KeyboardInterrupt):
        runner.train()


@pytest.mark.parametrize('max_epochs', [2, 3])
def test_epoch_whose_validation_was_killed_is_validated_by_the_resume(
    make_runner, tmp_path, max_epochs
):
    kill_at(make_runner(max_epochs=max_epochs, **BEST), 'before_val')
    assert (tmp_path / 'run/last_validation').read_text() == 'epoch_1.pth'
    assert (tmp_path / 'run/epoch_2.pth').exists()
    resumed = make_runner(max_epochs=max_epochs, resume=True, **BEST)
    resumed.train()
    validations = resumed.val_loop.evaluator.metrics[0].count
    assert validations == max_epochs - 1
    last = (tmp_path / 'run/last_validation').read_text()
    assert last == f'epoch_{max_epochs}.pth'

    again = make_runner(max_epochs=max_epochs, resume=True, **BEST)
    again.train()
    assert not hasattr(again.val_loop.evaluator.metrics[0], 'count')


def test_a_best_checkpoint_that_was_not_recorded_does_not_stay(
    make_runner, tmp_path, monkeypatch
):
    runner = make_runner(max_epochs=2, **BEST)
    replace = os.replace

    def die(source, target):
        replace(source, target)
        if Path(target).name == 'best_score_epoch_2.pth':
            raise KeyboardInterrupt

    monkeypatch.setattr(os, 'replace', die)
    with pytest.raises(KeyboardInterrupt):
        runner.train()
    monkeypatch.undo()
    best = [n for n in names(tmp_path / 'run') if n.startswith('best')]
    assert best == ['best_score_epoch_1.pth', 'best_score_epoch_2.pth']
    # its first validation scores 0.5, as that of epoch 1 did: no better
    make_runner(max_epochs=2, resume=True, **BEST).train()
    best = [n for n in names(tmp_path / 'run') if n.startswith('best')]
    assert best == ['best_score_epoch_1.pth']


@pytest.mark.parametrize('save_best', ['scroe', ['score', 'other']])
def test_best_of_a_figure_that_there_is_not_is_refused(make_runner, save_best):
    runner = make_runner(
        checkpoint=dict(save_best=save_best, rule='greater'), val_cfg={}
    )
    with pytest.raises(ValueError, match='no figure of the validation, which gave sco'):
        runner.train()


def test_best_of_what_no_metric_reports_is_refused_before_the_first_epoch(
    make_runner,
):
    runner = make_runner(
        checkpoint=dict(save_best='rec/P@0.55', rule='greater'), val_cfg={}
    )
    runner._val_evaluator = [RECMetric()]
    with pytest.raises(ValueError, match="'rec/P@0.55' is no figure of the validation"):
        runner.train()
    assert runner.iter == 0


@pytest.mark.parametrize(
    ('name', 'reported'),
    [
        ('rec/P@0.5', True),
        ('rec/testA/mIoU', True),
        ('rec/P@0.55', False),
        ('P@0.5', False),
        ('coco/mIoU', False),
    ],
)
def test_metric_knows_the_names_of_its_figures(name, reported):
    assert RECMetric().reports(name) == reported


def test_misspelt_argument_is_refused(make_runner):
    with pytest.raises(ValueError, match=r"no arguments \['intervall'\]"):
        make_runner(checkpoint=dict(intervall=3))
