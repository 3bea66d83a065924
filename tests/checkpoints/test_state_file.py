import argparse
import hashlib
import os
from collections import OrderedDict

import pytest
import torch
from torch import nn

from m2ist_mm.checkpoints import (
    file_sha256,
    load_exactly,
    load_state_file,
    save_state_file,
    state_sha256,
)


class Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_file_sha256_of_more_than_one_chunk(tmp_path):
    content = os.urandom((1 << 20) + 7)
    (tmp_path / 'file').write_bytes(content)
    assert file_sha256(tmp_path / 'file') == hashlib.sha256(content).hexdigest()


def normalised(bias=0.0):
    module = nn.BatchNorm1d(3)
    module.weight.data = torch.tensor([1.0, 2, 3])
    module.bias.data.fill_(bias)
    return module


def test_state_sha256_is_of_names_types_shapes_and_values():
    expected = state_sha256(normalised())
    assert state_sha256(normalised()) == expected
    changed = {
        'value': normalised(1e-7),
        'type': normalised(),
        'shape': nn.BatchNorm1d(4),
        'name': nn.Sequential(normalised()),
        'buffer': normalised(),
    }
    changed['buffer'].num_batches_tracked += 1
    counter = torch.zeros_like(normalised().num_batches_tracked, dtype=torch.float64)
    changed['type'].num_batches_tracked = counter  # zero too: the same bytes
    hashes = {expected, *(state_sha256(module) for module in changed.values())}
    assert len(hashes) == 6


def test_state_sha256_does_not_depend_on_memory_layout_or_gradients():
    module = nn.Conv2d(2, 3, 3)
    twin = nn.Conv2d(2, 3, 3)
    twin.load_state_dict(module.state_dict())
    twin = twin.to(memory_format=torch.channels_last).requires_grad_(False)
    assert not twin.weight.is_contiguous()
    assert state_sha256(twin) == state_sha256(module)


@pytest.mark.parametrize('wrap', ['bare', 'state_dict', 'model'])
def test_state_is_found_bare_or_under_its_key(tmp_path, wrap):
    state = OrderedDict(a=torch.arange(3.0), b=torch.ones(2, 2))
    content = state if wrap == 'bare' else {wrap: state, 'epoch': 3, 'lr': [0.1]}
    path = str(tmp_path / 'x.pth')
    torch.save(content, path)
    loaded = load_state_file(path)
    assert list(loaded) == ['a', 'b']
    assert torch.equal(loaded['a'], state['a'])


def test_checkpoint_with_its_programs_options_is_read(tmp_path):
    # as the original DETR and TransVG write them
    path = str(tmp_path / 'x.pth')
    options = argparse.Namespace(lr=1e-4, backbone='resnet50')
    torch.save(dict(model=dict(a=torch.ones(2)), args=options, epoch=9), path)
    assert torch.equal(load_state_file(path)['a'], torch.ones(2))


@pytest.mark.parametrize('wrap', ['bare', 'beside', 'options'])
def test_pickle_bomb_in_a_checkpoint_runs_nothing(tmp_path, wrap):
    bomb, target = Bomb(tmp_path / 'ran'), tmp_path / 'ran'
    content = dict(
        bare=bomb,
        beside=dict(model=dict(a=torch.ones(2)), args=bomb),
        options=dict(model=dict(a=torch.ones(2)), args=argparse.Namespace(x=bomb)),
    )[wrap]
    path = str(tmp_path / 'x.pth')
    torch.save(content, path)
    torch.load(path, weights_only=False)
    assert target.is_dir()  # the bomb is a live one
    target.rmdir()
    with pytest.raises(ValueError) as error:
        load_state_file(path)
    assert not target.exists()
    text = str(error.value)
    assert path in text
    assert 'Python objects, which are not loaded' in text
    assert f'GLOBAL {os.mkdir.__module__}.mkdir' in text
    assert 'likely succeed' not in text  # torch advises to run the file's code
    assert len(text) < 600


def test_missing_checkpoint_is_named():
    with pytest.raises(FileNotFoundError, match="no checkpoint file 'nowhere.pth'"):
        load_state_file('nowhere.pth')


@pytest.mark.parametrize('damage', ['cut', 'text', 'empty'])
def test_damaged_checkpoint_is_named(tmp_path, damage):
    path = tmp_path / 'x.pth'
    torch.save(dict(a=torch.randn(1000)), path)
    if damage == 'cut':
        os.truncate(path, path.stat().st_size // 2)
    else:
        path.write_text('<html>' if damage == 'text' else '')
    with pytest.raises(ValueError, match=r'x\.pth.*damaged'):
        load_state_file(str(path))


@pytest.mark.parametrize(
    'content', [[torch.ones(2)], dict(a=1), dict(model=dict(a='text')), torch.ones(2)]
)
def test_file_without_state_dict_is_refused(tmp_path, content):
    path = str(tmp_path / 'x.pth')
    torch.save(content, path)
    with pytest.raises(ValueError, match=r'x\.pth.* holds no state dict'):
        load_state_file(path)


def test_saved_state_is_loaded_again(tmp_path):
    path = str(tmp_path / 'new' / 'folder' / 'x.pth')
    state = dict(a=torch.randn(3), b=torch.tensor(4))
    save_state_file(state, path)
    loaded = load_state_file(path)
    assert loaded.keys() == state.keys()
    assert all(torch.equal(loaded[name], state[name]) for name in state)
    assert os.listdir(tmp_path / 'new' / 'folder') == ['x.pth']


def test_failing_save_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / 'x.pth'
    path.write_bytes(b'old')

    def fill_the_disk(source, target):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(os, 'replace', fill_the_disk)
    with pytest.raises(OSError, match=rf'No space left on device.*{path}'):
        save_state_file(dict(a=torch.ones(1)), str(path))
    assert os.listdir(tmp_path) == ['x.pth']
    assert path.read_bytes() == b'old'


def test_load_exactly_loads():
    module, state = nn.Linear(2, 1), dict(weight=torch.ones(1, 2), bias=torch.ones(1))
    load_exactly(module, state, 'file')
    assert module(torch.tensor([[1.0, 2.0]])).item() == 4


def test_load_exactly_tells_every_kind_of_fault_and_loads_nothing():
    module = nn.Sequential(*(nn.Linear(2, 2) for _ in range(3)))
    before = {name: value.clone() for name, value in module.state_dict().items()}
    state = {name: torch.zeros(2, 2) for name in ('0.weight', '1.bias', 'x', 'y')}
    with pytest.raises(ValueError) as error:
        load_exactly(module, state, "'tower.pth'")
    assert str(error.value) == (
        "'tower.pth' does not fit Sequential: "
        '4 missing (0.bias, 1.weight, 2.bias, …); '
        '2 not known to the model (x, y); '
        '1 of another shape (1.bias)'
    )
    for name, value in module.state_dict().items():
        assert torch.equal(value, before[name])
