import logging
import os

import pytest
import torch
from mmengine.model import BaseModel

from m2ist_mm.checkpoints import safe_loading
from m2ist_mm.checkpoints.identity import tower_identity
from m2ist_mm.checkpoints.torch_file import read_torch_file


def drop_prefix(state, prefix):
    return {k: v for k, v in state.items() if not k.startswith(prefix)}


@pytest.fixture
def trained(make_runner, tmp_path):
    """A runner that was trained for two epochs, and its checkpoint."""
    runner = make_runner(name='trained')
    runner.train()
    return runner, str(tmp_path / 'trained/epoch_2.pth')


@pytest.fixture
def warnings(monkeypatch):
    """The warnings that are logged from now on."""
    seen = []
    handle = logging.Logger.handle

    def record(self, entry):
        if entry.levelno >= logging.WARNING:
            seen.append(entry.getMessage())
        handle(self, entry)

    monkeypatch.setattr(logging.Logger, 'handle', record)
    return seen


def test_test_run_restores_the_tuned_weights_in_silence(
    make_runner, trained, toy_model, warnings
):
    runner, checkpoint = trained
    tester = make_runner(load_from=checkpoint, test_cfg={})
    warnings.clear()
    tester.test()
    for name, value in runner.model.state_dict().items():
        assert torch.equal(tester.model.state_dict()[name], value), name
    assert not [text for text in warnings if 'key' in text or 'match' in text]


def test_resumed_training_ends_like_an_uninterrupted_one(make_runner, tmp_path):
    whole = make_runner(name='whole', max_epochs=4)
    whole.train()
    make_runner(name='parts', max_epochs=2).train()
    resumed = make_runner(name='parts', max_epochs=4, resume=True)
    resumed.train()
    assert resumed.iter == 8
    for name, value in whole.model.state_dict().items():
        assert torch.equal(resumed.model.state_dict()[name], value), name
    assert resumed.optim_wrapper.get_lr() == whole.optim_wrapper.get_lr()


def test_averaged_weights_are_resumed(make_runner):
    average = [dict(type='EMAHook', momentum=0.5, strict_load=True)]
    whole = make_runner(name='whole', max_epochs=4, custom_hooks=average)
    whole.train()
    make_runner(name='parts', max_epochs=2, custom_hooks=average).train()
    resumed = make_runner(name='parts', max_epochs=4, custom_hooks=average, resume=True)
    resumed.train()

    def averaged(runner):
        (hook,) = (h for h in runner.hooks if type(h).__name__ == 'EMAHook')
        return hook.ema_model.state_dict()

    for name, value in averaged(whole).items():
        assert torch.equal(averaged(resumed)[name], value), name


def test_averaged_weights_that_do_not_fit_are_refused(make_runner, tmp_path):
    average = [dict(type='EMAHook', momentum=0.5)]
    make_runner(max_epochs=1, custom_hooks=average).train()
    path = tmp_path / 'run/epoch_1.resume.pth'
    content = read_torch_file(path)
    del content['ema_state_dict']['module.neck.bias']
    torch.save(content, path)
    with pytest.raises(
        ValueError, match='epoch_1.pth: .*averaged .*1 missing .*neck.b'
    ):
        make_runner(max_epochs=2, custom_hooks=average, resume=True).train()


def test_averaged_weights_are_what_a_test_run_loads(make_runner, tmp_path, warnings):
    average = [dict(type='EMAHook', momentum=0.5)]
    trained = make_runner(name='run', custom_hooks=average)
    trained.train()
    (hook,) = (h for h in trained.hooks if type(h).__name__ == 'EMAHook')
    tester = make_runner(
        name='test', load_from=str(tmp_path / 'run/epoch_2.pth'), test_cfg={}
    )
    warnings.clear()
    tester.test()
    assert torch.equal(tester.model.neck.weight, hook.ema_model.module.neck.weight)
    assert not torch.equal(tester.model.neck.weight, trained.model.neck.weight)
    with_hook = make_runner(
        name='test2',
        load_from=str(tmp_path / 'run/epoch_2.pth'),
        test_cfg={},
        custom_hooks=average,
    )
    with_hook.test()
    assert not [text for text in warnings if 'key' in text]


def test_a_call_to_resume_finds_the_resume_file(make_runner, trained):
    _, checkpoint = trained
    runner = make_runner(max_epochs=3)
    with safe_loading():
        runner.resume(checkpoint)
    assert (runner.epoch, runner.iter) == (2, 4)
    state = runner.optim_wrapper.optimizer.state_dict()['state']
    assert state[0]['step'] == 4


def test_missing_resume_file_is_named(make_runner, trained):
    _, checkpoint = trained
    os.remove(checkpoint.replace('.pth', '.resume.pth'))
    runner = make_runner(load_from=checkpoint, resume=True)
    with pytest.raises(FileNotFoundError, match=r'epoch_2.resume.pth.*not beside it'):
        runner.train()
    with (
        safe_loading(),
        pytest.raises(FileNotFoundError, match=r'epoch_2.resume.pth.*not beside it'),
    ):
        make_runner().resume(checkpoint)


def test_resume_file_of_other_weights_is_refused(make_runner, trained, tmp_path):
    _, checkpoint = trained
    other = torch.load(checkpoint, weights_only=True)
    other['state_dict']['neck.bias'] += 1
    torch.save(other, checkpoint)
    runner = make_runner(load_from=checkpoint, resume=True)
    with pytest.raises(ValueError, match='other weights than those in'):
        runner.train()


def test_weights_alone_cannot_be_resumed(make_runner, trained, tmp_path):
    runner, _ = trained
    torch.save(runner.model.state_dict(), tmp_path / 'plain.pth')
    resumed = make_runner(load_from=str(tmp_path / 'plain.pth'), resume=True)
    with pytest.raises(ValueError, match='cannot resume.*load_from'):
        resumed.train()


@pytest.mark.parametrize('run', ['train', 'test'])
def test_other_towers_are_refused_by_name_and_hash(
    make_runner, trained, toy_model, run
):
    runner, checkpoint = trained
    other = toy_model(seed=1)
    loaded = make_runner(model=other, load_from=checkpoint, test_cfg={})
    with pytest.raises(ValueError) as info:
        getattr(loaded, run)()
    text = str(info.value)
    for tower in ('vision', 'language'):
        for model in (runner.model, other):
            identity = tower_identity(model)[tower]
            assert identity['name'] in text
            assert identity['sha256'] in text
    assert 'vision tower: made on' in text
    assert f'{checkpoint} was made on other towers' in text
    assert 'model.backbone.vision.weights=FILE' in text


def test_checkpoint_without_identity_needs_all_tower_weights(
    make_runner, toy_model, tmp_path, warnings
):
    source = toy_model(seed=1)
    source.init_weights()
    torch.save(dict(state_dict=source.state_dict()), tmp_path / 'full.pth')
    tester = make_runner(load_from=str(tmp_path / 'full.pth'), test_cfg={})
    tester.test()
    for name, value in source.state_dict().items():
        assert torch.equal(tester.model.state_dict()[name], value), name

    torch.save(source.state_dict(), tmp_path / 'plain.pth')
    tester = make_runner(load_from=str(tmp_path / 'plain.pth'), test_cfg={})
    tester.test()
    assert torch.equal(
        tester.model.backbone.vision.layers[0].weight,
        source.backbone.vision.layers[0].weight,
    )
    assert not [text for text in warnings if 'towers' in text]

    state = drop_prefix(source.state_dict(), 'backbone')
    torch.save(dict(state_dict=state), tmp_path / 'none.pth')
    make_runner(load_from=str(tmp_path / 'none.pth'), test_cfg={}).test()
    assert [text for text in warnings if 'neither the weights nor the identity' in text]


def test_checkpoint_of_another_config_is_refused(make_runner, toy_model, trained):
    _, checkpoint = trained
    tester = make_runner(model=toy_model(width=3), load_from=checkpoint, test_cfg={})
    with pytest.raises(ValueError, match=r'does not fit the model: 3 of another shape'):
        tester.test()


def test_missing_weights_are_an_error_but_where_training_starts_from_others(
    make_runner, trained, tmp_path, warnings
):
    runner, _ = trained
    state = drop_prefix(runner.model.state_dict(), 'neck')
    path = str(tmp_path / 'without_neck.pth')
    torch.save(dict(state_dict=state), path)
    with pytest.raises(ValueError, match=r'2 missing \(neck.bias, neck.weight\)'):
        make_runner(load_from=path, test_cfg={}).test()

    started = make_runner(load_from=path, max_epochs=1)
    started.train()
    assert [t for t in warnings if 'start anew: 2 weights (neck.bias, neck.weig' in t]

    torch.save(dict(state_dict={**state, 'nick.weight': state['bbox_head.bias']}), path)
    with pytest.raises(ValueError, match=r'1 not known to the model \(nick.weight'):
        make_runner(load_from=path, max_epochs=1).train()


def test_models_without_towers_load_as_before(make_runner, tmp_path):
    class Plain(BaseModel):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(4, 1)

        def forward(self, inputs, data_samples=None, mode='tensor'):
            return [self.layer(inputs)]

    torch.save(dict(state_dict={'layer.bias': torch.ones(1)}), tmp_path / 'p.pth')
    tester = make_runner(model=Plain(), load_from=str(tmp_path / 'p.pth'), test_cfg={})
    tester.test()
    assert tester.model.layer.bias.item() == 1


def test_towers_that_the_checkpoint_holds_need_not_be_those_of_the_config(
    make_runner, toy_model, trained, tmp_path
):
    runner, checkpoint = trained
    content = torch.load(checkpoint, weights_only=True)
    language = {
        name: value
        for name, value in runner.model.state_dict().items()
        if name.startswith('backbone.language.')
    }
    content['state_dict'].update(language)
    del content['meta']['towers']['language']
    torch.save(content, tmp_path / 'with_language.pth')

    other = toy_model()
    torch.nn.init.ones_(other.backbone.language.layers[0].weight)
    path = str(tmp_path / 'with_language.pth')
    make_runner(model=other, load_from=path, test_cfg={}).test()
    for name, value in runner.model.state_dict().items():
        assert torch.equal(other.state_dict()[name], value), name


def test_tuned_towers_are_not_those_that_a_checkpoint_was_made_on(
    make_runner, toy_model, trained
):
    _, checkpoint = trained
    loaded = make_runner(
        model=toy_model(freeze=False), load_from=checkpoint, test_cfg={}
    )
    with pytest.raises(ValueError, match='the config has one that is random or tuned'):
        loaded.test()
