import pytest
from mmengine.config import Config

from m2ist_mm.checkpoints.resume_settings import (
    changed_settings,
    read_settings,
    refuse_changed_settings,
    take_settings,
    warn_of_other_changes,
)


def settings(lr=1e-4, **optimizer):
    optimizer = dict(type='AdamW', lr=lr, betas=(0.9, 0.999), **optimizer)
    return Config(
        dict(
            optim_wrapper=dict(
                type='OptimWrapper',
                optimizer=optimizer,
                paramwise_cfg=dict(custom_keys={'a.b': dict(lr_mult=0.1)}),
            ),
            param_scheduler=[
                dict(type='LinearLR', start_factor=0.1, by_epoch=False, end=5),
                dict(type='MultiStepLR', milestones=[60], gamma=0.1),
            ],
            train_cfg=dict(max_epochs=90),
        )
    )


def checkpoint_of(config):
    return dict(meta=dict(cfg=config.pretty_text))


def test_settings_are_read_without_running_the_text(tmp_path):
    ran = tmp_path / 'ran'
    text = (
        'import os\n'
        f'os.mkdir({str(ran)!r})\n'
        f'optim_wrapper = dict(lr=-1e-3, clip_grad=None, x=os.mkdir({str(ran)!r}))\n'
        f'param_scheduler = os.mkdir({str(ran)!r})\n'
    )
    assert read_settings(text) == {
        ('optim_wrapper', 'lr'): -1e-3,
        ('optim_wrapper', 'clip_grad'): None,
        ('optim_wrapper', 'x'): f'os.mkdir({str(ran)!r})',
        ('param_scheduler',): f'os.mkdir({str(ran)!r})',
    }
    assert not ran.exists()


@pytest.mark.parametrize('text', ['optim_wrapper = dict(', 'x = ' + '(' * 10_000])
def test_text_that_is_no_config_is_named(text):
    checkpoint = dict(meta=dict(cfg=text))
    with pytest.raises(ValueError, match=r"the checkpoint: its 'meta.cfg' cannot be"):
        changed_settings(checkpoint, settings())


def test_same_settings_are_no_change():
    old, new = settings(), settings()
    new.train_cfg.max_epochs = 100  # a training may go on for longer
    new.optim_wrapper.optimizer.betas = [0.9, 0.999]
    new.auto_scale_lr = dict(enable=False, base_batch_size=64)
    assert changed_settings(checkpoint_of(old), new) == {}
    refuse_changed_settings(checkpoint_of(old), new)
    assert changed_settings(dict(meta={}), new) == {}


def test_each_changed_key_is_named_and_refused():
    old, new = settings(weight_decay=0.01), settings(lr=2e-4)
    new.param_scheduler[1].milestones = [30, 50]
    new.optim_wrapper.paramwise_cfg.custom_keys['a.b'].lr_mult = 1.0
    new.auto_scale_lr = dict(enable=True, base_batch_size=64)
    with pytest.raises(ValueError) as error:
        refuse_changed_settings(checkpoint_of(old), new)
    text = str(error.value)
    for part in (
        'optim_wrapper.optimizer.lr is 0.0001 in the checkpoint and 0.0002 in the con',
        "optim_wrapper.optimizer.weight_decay is 0.01 in the checkpoint and 'nothing'",
        'optim_wrapper.paramwise_cfg.custom_keys.a.b.lr_mult is 0.1 in the',
        'param_scheduler.1.milestones is [60] in the checkpoint and [30, 50] in the',
        "auto_scale_lr.enable is 'nothing' in the checkpoint and True",
        '--resume-settings checkpoint or --resume-settings config',
    ):
        assert part in text
    assert '\n' not in text
    assert text.count(' in the checkpoint and ') == 6


def test_another_model_or_other_data_are_logged_and_moved_ones_are_not(monkeypatch):
    told = []
    monkeypatch.setattr(
        'm2ist_mm.checkpoints.resume_settings.print_log',
        lambda text, **_: told.append(text),
    )
    parts = dict(
        model=dict(neck=dict(scale=0.1), backbone=dict(weights='a.pth')),
        train_dataloader=dict(
            batch_size=4, num_workers=1, dataset=dict(split='train', data_root='a')
        ),
    )
    old, new = Config(parts), Config(parts)
    new.model.backbone.weights = 'b/a.pth'
    new.train_dataloader.num_workers = 0
    new.train_dataloader.dataset.data_root = 'b'
    warn_of_other_changes(checkpoint_of(old), new)
    assert not told
    new.model.neck.scale = 5.0
    new.train_dataloader.dataset.split = 'val'
    warn_of_other_changes(checkpoint_of(old), new)
    (line,) = told
    assert line == (
        "the checkpoint was made with other settings, and from here on the config's "
        'count: model.neck.scale is 0.1 in the checkpoint and 5.0 in the config; '
        "train_dataloader.dataset.split is 'train' in the checkpoint and 'val' in the "
        'config'
    )


def test_another_optimiser_is_refused_in_any_case():
    new = settings()
    new.optim_wrapper.optimizer.type = 'SGD'
    for optimizer_alone in (False, True):
        with pytest.raises(ValueError, match='an optimiser AdamW, the config has SGD'):
            refuse_changed_settings(checkpoint_of(settings()), new, optimizer_alone)


def test_settings_of_the_checkpoint_are_put_into_the_config():
    old, new = settings(weight_decay=0.01), settings(lr=2e-4, eps=1e-6)
    new.param_scheduler[1].milestones = [30, 50]
    new.optim_wrapper.paramwise_cfg.custom_keys['a.b'].lr_mult = 1.0
    old.optim_wrapper.clip_grad = dict(max_norm=0.1)
    take_settings(checkpoint_of(old), new)
    assert new.optim_wrapper.to_dict() == old.optim_wrapper.to_dict()
    assert new.param_scheduler == old.param_scheduler
    assert changed_settings(checkpoint_of(old), new) == {}


@pytest.mark.parametrize(
    'change',
    [
        lambda old: old.optim_wrapper.update(type='os.system'),
        lambda old: old.optim_wrapper.update(constructor='subprocess.Popen'),
        lambda old: old.optim_wrapper.update(_scope_='x'),
        lambda old: old.param_scheduler.append(dict(type='ConstantLR')),
        lambda old: old.optim_wrapper.update(clip_grad=dict(type='x', max_norm=1)),
    ],
)
def test_a_checkpoint_does_not_choose_what_is_built(change):
    old, new = settings(), settings()
    change(old)
    before = new.to_dict()
    with pytest.raises(ValueError, match='numbers alone are taken over'):
        take_settings(checkpoint_of(old), new)
    assert new.to_dict() == before
