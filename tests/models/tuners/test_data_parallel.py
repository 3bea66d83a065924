"""Every tuning method in two processes, whose gradients are averaged, as in one.

Run as a program (by ``torch.distributed.run``), this file is one of the two.
"""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmdet.registry import MODELS
from mmengine import Config, ConfigDict
from mmengine.registry import init_default_scope
from torch.nn.parallel import DistributedDataParallel

import m2ist_mm  # noqa: F401  registers everything

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[3]
CONFIGS = sorted(
    path
    for family in ('full_finetune', 'petl')
    for path in (ROOT / 'configs' / family).glob('*_refcoco.py')
    if '_r101_' not in path.name  # as R-50
)


def train(model, forward):
    tuned = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.SGD(tuned, lr=0.1)
    for _ in range(3):
        optimiser.zero_grad()
        (forward() - 0.3).abs().mean().backward()
        optimiser.step()


def main(folder):
    torch.set_num_threads(1)
    torch.distributed.init_process_group('gloo')
    rank = torch.distributed.get_rank()
    init_default_scope('mmdet')
    inputs = torch.load(folder / f'inputs_{rank}.pth', weights_only=True)
    for path in sorted(folder.glob('*.py')):
        print(path.stem, file=sys.stderr, flush=True)
        config = Config.fromfile(path)
        model = MODELS.build(config.model).train()
        start = torch.load(path.with_suffix('.pth'), weights_only=True)
        model.load_state_dict(start)
        parallel = DistributedDataParallel(
            model, find_unused_parameters=config.find_unused_parameters
        )
        train(model, lambda parallel=parallel: parallel(inputs, mode='tensor'))
        torch.save(model.state_dict(), folder / f'{path.stem}_{rank}.pth')
    torch.distributed.destroy_process_group()


@pytest.fixture(autouse=True)
def one_thread():
    """As the two processes have: their sums have one order."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def shrink(tuned_config):
    """Builds a shipped config's method on the tiny towers, without dropout."""

    def shrink(path):
        config = Config.fromfile(path)
        backbone, neck = config.model.backbone, config.model.neck
        model = tuned_config(
            backbone.get('tuner'),
            vit='_vitb_' in path.name,
            freeze=backbone.get('freeze', True),
        )
        model.pop('data_preprocessor', None)
        model.bbox_head.dropout = 0.0
        model.backbone.language.arch.update(
            hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0
        )
        if model.backbone.vision.type == 'DETREncoderTower':
            model.backbone.vision.dropout = 0.0
        if neck is not None:
            neck.update(reduction=4, dropout=0.0)
            model.neck = ConfigDict(neck)
        unused = config.get('find_unused_parameters', False)
        return Config(dict(model=model, find_unused_parameters=unused))

    return shrink


def halves(inputs):
    """One of the two images with one expression each."""
    for i in range(2):
        part = {key: value[i : i + 1] for key, value in inputs.items()}
        yield {**part, 'image_index': torch.tensor([0])}


def test_two_processes_tune_like_one(make_model, shrink, inputs, tmp_path):
    parts = list(halves(inputs))
    for rank, part in enumerate(parts):
        torch.save(part, tmp_path / f'inputs_{rank}.pth')
    models = {}
    for path in CONFIGS:
        config = shrink(path)
        config.dump(tmp_path / path.name)
        model = models[path.stem] = make_model(config.model).train()
        torch.save(model.state_dict(), tmp_path / f'{path.stem}.pth')
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    done = subprocess.run(
        [
            *(sys.executable, '-m', 'torch.distributed.run', '--nproc_per_node=2'),
            *(f'--master_port={port}', __file__, str(tmp_path)),
        ],
        env={
            **os.environ,
            'PYTHONPATH': os.pathsep.join(map(str, [ROOT, *sys.path])),
            'OMP_NUM_THREADS': '1',
        },
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]

    for name, model in models.items():
        start = torch.load(tmp_path / f'{name}.pth', weights_only=True)
        train(model, lambda m=model: torch.cat([m._forward(part) for part in parts]))
        expected = model.state_dict()
        tuned = {key for key, p in model.named_parameters() if p.requires_grad}
        moved = {key for key in start if not torch.equal(start[key], expected[key])}
        assert moved <= tuned, name
        towers = {key for key in moved if key.startswith(('backbone.', 'neck.'))}
        assert bool(towers) == ('frozen' not in name), name
        found, other = (
            torch.load(tmp_path / f'{name}_{rank}.pth', weights_only=True)
            for rank in range(2)
        )
        assert found.keys() == other.keys() == expected.keys()
        for key, value in found.items():
            assert torch.equal(value, other[key]), f'{name}: {key}'
            torch.testing.assert_close(
                value, expected[key], rtol=0, atol=1e-6, msg=f'{name}: {key}'
            )


if __name__ == '__main__':
    main(Path(sys.argv[1]))
