import os
import subprocess
import sys

import pytest
import torch
from mmengine.runner import CheckpointLoader, load_checkpoint

from m2ist_mm.checkpoints import safe_loading


class Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


IMPORT = """
import torch
from mmengine.runner.checkpoint import CheckpointLoader
before = dict(CheckpointLoader._schemes), torch.serialization.get_safe_globals()
import mmdet.models, mmdet.datasets
between = torch.serialization.get_safe_globals()
import m2ist_mm
assert dict(CheckpointLoader._schemes) == before[0]
assert set(torch.serialization.get_safe_globals()) == set(between)
from m2ist_mm.checkpoints import safe_loading
with safe_loading():
    assert dict(CheckpointLoader._schemes) != before[0]
assert dict(CheckpointLoader._schemes) == before[0]
"""


@pytest.mark.slow
def test_after_the_import_others_load_as_before():
    done = subprocess.run(
        [sys.executable, '-c', IMPORT],
        env={**os.environ, 'PYTHONPATH': os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_mmengine_loads_by_our_loader_inside_alone(tmp_path, monkeypatch):
    path = tmp_path / 'bomb.pth'
    torch.save(dict(state_dict=Bomb(tmp_path / 'ran')), path)
    # MMEngine before torch 2.6, and the fallback of the OneDL fork
    load = torch.load
    monkeypatch.setattr(torch, 'load', lambda *a, **k: load(*a, weights_only=False))
    with (
        safe_loading(),
        pytest.raises(ValueError, match='bomb.pth.*could run code.*mkdir'),
    ):
        load_checkpoint(torch.nn.Linear(1, 1), str(path))
    assert not (tmp_path / 'ran').exists()
    CheckpointLoader.load_checkpoint(str(path))
    assert (tmp_path / 'ran').exists()


@pytest.mark.parametrize('stage', ['train', 'test'])
def test_a_runner_loads_safely_whatever_mmengine_does(
    make_runner, tmp_path, monkeypatch, stage
):
    make_runner(max_epochs=1).train()
    name = 'epoch_1.pth' if stage == 'test' else 'epoch_1.resume.pth'
    path = tmp_path / 'run' / name
    content = dict(weights_crc32=0, meta={}, state_dict=Bomb(tmp_path / 'ran'))
    torch.save(content, path)
    load = torch.load
    monkeypatch.setattr(torch, 'load', lambda *a, **k: load(*a, weights_only=False))
    changes = dict(load_from=str(path)) if stage == 'test' else dict(resume=True)
    with pytest.raises(ValueError, match=f'{name}.*could run code') as info:
        getattr(make_runner(test_cfg={}, **changes), stage)()
    assert '\n' not in str(info.value)
    assert not (tmp_path / 'ran').exists()


@pytest.mark.parametrize('name', ['https://host/x.pth', 'open-mmlab://vgg16_caffe'])
def test_fetched_files_run_no_code_either(tmp_path, monkeypatch, name):
    path = tmp_path / 'bomb.pth'
    torch.save(Bomb(tmp_path / 'ran'), path)
    fetched = []

    def fetch(url):
        fetched.append(url)
        return str(path)

    module = sys.modules['m2ist_mm.checkpoints.fetched_file']
    monkeypatch.setattr(module, 'fetch', fetch)
    load = torch.load
    monkeypatch.setattr(torch, 'load', lambda *a, **k: load(*a, weights_only=False))
    with safe_loading(), pytest.raises(ValueError, match='bomb.pth.*could run code'):
        CheckpointLoader.load_checkpoint(name)
    (url,) = fetched
    assert url.startswith('https://')
    assert not (tmp_path / 'ran').exists()


@pytest.mark.parametrize('name', ['s3://bucket/x.pth', 'pavi://x', 'petrel:s3://x'])
def test_other_addresses_are_refused(name):
    with (
        safe_loading(),
        pytest.raises(ValueError, match=f'{name}: checkpoints are rea'),
    ):
        CheckpointLoader.load_checkpoint(name)


def test_every_scheme_of_mmengine_is_made_safe():
    before = CheckpointLoader._schemes
    with safe_loading():
        schemes = dict(CheckpointLoader._schemes)
    assert CheckpointLoader._schemes is before
    assert list(schemes) == list(before)
    for prefix, load in schemes.items():
        zoo = prefix.strip(':/') in (
            *('modelzoo', 'torchvision', 'open-mmlab', 'openmmlab', 'mmcls'),
        )
        module = 'mmengine.runner' if zoo else 'm2ist_mm.checkpoints.safe_loading'
        assert load.__module__.startswith(module)
