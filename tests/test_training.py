"""Trainings from end to end: resume, several processes, mixed precision."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.runner import Runner

from m2ist_mm.config import load_config_file, use_mixed_precision

ROOT = Path(__file__).resolve().parents[1]

pytestmark = pytest.mark.slow
TOWERS = 'backbone.'

TEST_HOOKS = """
import json
import os
import signal

from mmdet.registry import HOOKS
from mmengine.hooks import Hook


@HOOKS.register_module()
class KillHook(Hook):
    def __init__(self, iteration, number=signal.SIGKILL):
        self.iteration = iteration
        self.number = number

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter == self.iteration:
            os.kill(os.getpid(), self.number)


@HOOKS.register_module()
class LossHook(Hook):
    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        expressions = sum(len(s.gt_instances) for s in data_batch['data_samples'])
        with open(f'{runner.work_dir}/loss_{runner.rank}.txt', 'a') as file:
            file.write(f'{outputs["loss"].item()!r} {expressions}\\n')


@HOOKS.register_module()
class DrawnHook(Hook):
    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        with open(f'{runner.work_dir}/drawn_{runner.rank}.txt', 'a') as file:
            for sample in data_batch['data_samples']:
                file.write(f'{runner.epoch} {sample.dataset} {sample.sent_id}\\n')
"""


@pytest.fixture(scope='module', autouse=True)
def one_thread():
    """So small a model is fastest so, and its sums have one order."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope='module')
def nano(write_nano_config, tmp_path_factory, mini_refcoco):
    """Config file of a tiny real model: 3 epochs of 3 iterations."""
    folder = tmp_path_factory.mktemp('nano')
    path = write_nano_config(folder, mini_refcoco)
    (folder / 'nano_test_hooks.py').write_text(TEST_HOOKS)
    hooks = dict(
        kill="dict(type='KillHook', iteration=4)",
        int=f"dict(type='KillHook', iteration=4, number={int(signal.SIGINT)})",
        term=f"dict(type='KillHook', iteration=4, number={int(signal.SIGTERM)})",
        loss="dict(type='LossHook')",
        drawn="dict(type='DrawnHook')",
    )
    for name, hook in hooks.items():
        (folder / f'nano_{name}.py').write_text(
            f"_base_ = './{path.name}'\n"
            "custom_imports = dict(imports=['m2ist_mm', 'nano_test_hooks'])\n"
            f'custom_hooks = [{hook}]\n'
        )
    return path


def settings(name, workers=0, **more):
    return {
        'experiment_name': name,
        'train_dataloader.num_workers': workers,
        'train_dataloader.persistent_workers': workers > 0,
        'randomness.deterministic': True,
        **more,
    }


def train(config_path, work_dir, amp=False, **changes):
    """Train in this process; gives the runner and the towers' state before."""
    config = load_config_file(config_path)
    config.merge_from_dict(changes)
    config.work_dir = str(work_dir)
    if amp:
        use_mixed_precision(config)
    runner = Runner.from_cfg(config)
    before = {k: v.clone() for k, v in runner.model.backbone.state_dict().items()}
    runner.train()
    return runner, before


def start(command, config_path, work_dir, **options):
    """Run tools/train.py in processes of its own."""
    return subprocess.run(
        [
            sys.executable,
            *command,
            str(config_path),
            *('--work-dir', str(work_dir), '--cfg-options'),
            *(f'{key}={value}' for key, value in options.items()),
        ],
        env={
            **os.environ,
            'PYTHONPATH': os.pathsep.join(
                map(str, [ROOT, config_path.parent, *sys.path])
            ),
            'OMP_NUM_THREADS': '1',
        },
        capture_output=True,
        text=True,
        timeout=300,
    )


def assert_same_weights(model, other, atol=0.0):
    state, expected = model.state_dict(), other.state_dict()
    assert state.keys() == expected.keys()
    for name, value in state.items():
        torch.testing.assert_close(value, expected[name], rtol=0, atol=atol, msg=name)


@pytest.mark.gpu
@pytest.mark.parametrize('workers', [0, 2])
def test_killed_and_resumed_training_ends_with_the_same_weights(
    nano, tmp_path, workers
):
    whole, before = train(nano, tmp_path / 'whole', **settings(f'w{workers}', workers))
    killed = start(
        ['tools/train.py'],
        nano.with_name('nano_kill.py'),
        tmp_path / 'killed',
        **settings('killed', workers),
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    # killed in the second of three epochs, after the second of three iterations
    assert (tmp_path / 'killed/last_checkpoint').read_text().endswith('epoch_1.pth')

    resumed, _ = train(
        nano, tmp_path / 'killed', **settings(f'r{workers}', workers), resume=True
    )
    assert resumed.iter == whole.iter == 9
    assert_same_weights(resumed.model, whole.model)
    tuned = resumed.model.cpu().bbox_head.state_dict()
    once = torch.load(tmp_path / 'whole/epoch_1.pth', weights_only=True)['state_dict']
    assert not torch.equal(
        tuned['reg_token.weight'], once['bbox_head.reg_token.weight']
    )


@pytest.mark.parametrize(('name', 'code'), [('int', 130), ('term', 143)])
def test_a_signal_ends_a_training_after_its_step_in_one_line(
    nano, tmp_path, name, code
):
    config = nano.with_name(f'nano_{name}.py')
    done = start(['tools/train.py'], config, tmp_path, **settings(name, workers=2))
    assert done.returncode == code, done.stderr[-2000:]
    (line,) = [x for x in done.stderr.splitlines() if 'stopped' in x]
    assert line == (
        f'stopped by SIG{name.upper()}; to go on from the newest checkpoint in '
        f'{tmp_path}, run the same command with --resume'
    )
    assert 'Traceback' not in done.stderr
    assert (tmp_path / 'last_checkpoint').read_text().endswith('epoch_1.pth')


def assert_saved(path, model):
    """What another number of processes has saved is what this model is."""
    saved = torch.load(path, weights_only=True)['state_dict']
    state = model.state_dict()
    assert len(saved) > 50
    for name, value in saved.items():
        expected = state[name]
        if name.endswith('in_proj_bias'):
            # softmax does not feel the keys' bias: its gradient is rounding noise, of
            # which AdamW makes steps of full length
            value, expected = (torch.cat(x.chunk(3)[::2]) for x in (value, expected))
        torch.testing.assert_close(value, expected, rtol=0, atol=1e-6, msg=name)


def start_two(config_path, work_dir, **options):
    """Run tools/train.py in two processes."""
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    command = [
        *('-m', 'torch.distributed.run', '--nproc_per_node=2'),
        *(f'--master_port={port}', 'tools/train.py', '--launcher', 'pytorch'),
    ]
    return start(command, config_path, work_dir, **options)


@pytest.mark.parametrize(('group_size', 'batch_size'), [(1, 4), (3, 2)])
def test_two_processes_train_like_one(
    nano, tmp_path, monkeypatch, group_size, batch_size
):
    exact = {
        'model.bbox_head.dropout': 0.0,
        # of gradients that are rounding noise AdamW makes no steps of full length
        'optim_wrapper.optimizer.eps': 1e-6,
        'train_dataloader.dataset.max_expressions_per_sample': group_size,
        'train_dataloader.batch_size': batch_size,
    }
    monkeypatch.syspath_prepend(nano.parent)
    records_losses = nano.with_name('nano_loss.py')
    name = f'one{group_size}'
    one, _ = train(records_losses, tmp_path / 'one', **settings(name, **exact))
    done = start_two(
        records_losses,
        tmp_path / 'two',
        **settings('two', **exact | {'train_dataloader.batch_size': batch_size // 2}),
    )
    assert done.returncode == 0, done.stderr
    assert not Path('.dist_test').exists()  # of MMEngine's metrics
    assert_saved(tmp_path / 'two/epoch_3.pth', one.model)

    single, *ranks = (
        [list(map(float, line.split())) for line in path.read_text().splitlines()]
        for path in (tmp_path / 'one/loss_0.txt', *sorted(tmp_path.glob('two/loss_*')))
    )
    assert len(single) == len(ranks[0]) == len(ranks[1]) == 9
    for (loss, count), (loss_0, count_0), (loss_1, count_1) in zip(
        single, *ranks, strict=True
    ):
        assert (loss_0 + loss_1) / 2 == pytest.approx(loss, abs=1e-6)
        assert count_0 + count_1 == count
    # two ranks, whose groups are of one and of three expressions
    uneven = [a[1] != b[1] for a, b in zip(*ranks, strict=True)]
    assert any(uneven) == (group_size > 1)


MIXED = """
_base_ = './nano_drawn.py'
data = dict(_delete_=True, type='ConcatDataset', datasets=[
    {**_base_.train_dataset, 'name': 'often', 'split': 'val'},
    {**_base_.train_dataset, 'name': 'seldom'},
])
train_dataloader = dict(
    dataset=data,
    sampler=dict(_delete_=True, type='MultiDataSampler', dataset_ratio=[4, 1]))
model = dict(bbox_head=dict(dropout=0.0))
"""


def drawn(path):
    return [tuple(line.split()) for line in path.read_text().splitlines()]


def test_weighted_mixture_is_drawn_alike_by_two_processes_and_after_a_resume(
    nano, tmp_path, monkeypatch
):
    mixed = nano.with_name('mixed.py')
    mixed.write_text(MIXED)
    monkeypatch.syspath_prepend(nano.parent)
    one, _ = train(mixed, tmp_path / 'one', **settings('mixed'))
    options = {'train_dataloader.batch_size': 2, 'resume': True}
    for epochs in (2, 3):
        options['train_cfg.max_epochs'] = epochs
        done = start_two(mixed, tmp_path / 'two', **settings('two', **options))
        assert done.returncode == 0, done.stderr
    assert_saved(tmp_path / 'two/epoch_3.pth', one.model)

    single = drawn(tmp_path / 'one/drawn_0.txt')
    ranks = [drawn(tmp_path / f'two/drawn_{rank}.txt') for rank in range(2)]
    assert len(single) == 3 * 20  # 8 expressions and 12
    # the ranks take turns within a batch of four
    shared = [s for pair in zip(*ranks, strict=True) for s in pair]
    assert shared == single
    epochs = [[s[1:] for s in single if s[0] == str(epoch)] for epoch in range(3)]
    assert epochs[0] != epochs[1] != epochs[2] != epochs[0]
    often = sum(name == 'often' for _, name, _ in single)
    assert often / len(single) == pytest.approx(0.8, abs=0.1)


def logged(work_dir, key):
    """Values of a key in the log of a training."""
    (path,) = Path(work_dir).glob('*/vis_data/scalars.json')
    lines = map(json.loads, path.read_text().splitlines())
    return [line[key] for line in lines if key in line]


def test_mixed_precision_trains_on_a_cpu(nano, tmp_path):
    dtypes = set()

    def record(module, inputs, output):
        dtypes.add(output.dtype)

    handle = torch.nn.modules.module.register_module_forward_hook(
        lambda m, i, o: record(m, i, o) if isinstance(m, torch.nn.Linear) else None
    )
    try:
        runner, before = train(nano, tmp_path, amp=True, **settings('amp'))
    finally:
        handle.remove()
    assert torch.bfloat16 in dtypes
    losses = torch.tensor(logged(tmp_path, 'loss'))
    assert losses.isfinite().all()
    assert len(losses) == 9
    after = runner.model.backbone.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    first = torch.load(tmp_path / 'epoch_1.pth', weights_only=True)['state_dict']
    last = torch.load(tmp_path / 'epoch_3.pth', weights_only=True)['state_dict']
    assert all(value.dtype == torch.float32 for value in last.values())
    assert not torch.equal(
        first['bbox_head.reg_token.weight'], last['bbox_head.reg_token.weight']
    )


def test_optimiser_has_no_state_of_frozen_weights(nano, tmp_path):
    runner, before = train(nano, tmp_path, **settings('optimiser'))
    optimiser = runner.optim_wrapper.optimizer
    held = {id(p) for group in optimiser.param_groups for p in group['params']}
    named = dict(runner.model.named_parameters())
    assert held == {id(p) for p in named.values() if p.requires_grad}
    assert {id(p) for p in optimiser.state} == held
    assert not any(name.startswith(TOWERS) for name in named if id(named[name]) in held)
    rates = {group['lr']: len(group['params']) for group in optimiser.param_groups}
    adapters = len(list(runner.model.neck.parameters()))
    assert rates == {5e-4: len(held) - adapters, 5e-5: adapters}
    after = runner.model.backbone.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())


def test_test_run_repeats_the_last_validation(nano, tmp_path, run_tool):
    options = ('--cfg-options', 'experiment_name=trip')
    assert run_tool('tools/train.py', nano, '--work-dir', tmp_path / 'a', *options) == 0
    validated = logged(tmp_path / 'a', 'rec/mIoU')
    options = ('--cfg-options', 'experiment_name=trip2')
    out = tmp_path / 'results.json'
    code = run_tool(
        'tools/test.py',
        nano,
        tmp_path / 'a/epoch_3.pth',
        *('--work-dir', tmp_path / 'b', '--out', out),
        *options,
    )
    assert code == 0
    overlaps = [entry['iou'] for entry in json.loads(out.read_text())]
    assert len(overlaps) == 8
    assert 100 * sum(overlaps) / 8 == pytest.approx(validated[-1], abs=1e-4)
    assert validated[0] != validated[-1]
