import os
import pickle

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.runner import CheckpointLoader, load_checkpoint

import m2ist_mm  # noqa: F401
from m2ist_mm.checkpoints.checkpoint_loader import _weights_only, register_safe_loaders


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


class Getattr:
    """Unpickles as ``getattr(owner, name)``."""

    def __init__(self, owner, name):
        self.pair = owner, name

    def __reduce__(self):
        return getattr, self.pair


def test_pickle_bomb_runs_nothing_and_gives_one_clear_error(tmp_path, make_runner):
    path = tmp_path / 'bomb.pth'
    torch.save(dict(meta={}, state_dict={}, message_hub=Bomb(tmp_path / 'ran')), path)
    tester = make_runner(load_from=str(path), test_cfg={})
    with pytest.raises(ValueError, match='bomb.pth.*could run code') as info:
        tester.test()
    assert '\n' not in str(info.value)
    assert 'weights_only' not in str(info.value)
    assert not (tmp_path / 'ran').exists()
    pickle.loads(pickle.dumps(Bomb(tmp_path / 'ran')))  # the bomb is a live one
    assert (tmp_path / 'ran').exists()


def test_bomb_in_a_resume_file_runs_nothing(tmp_path, make_runner):
    make_runner(max_epochs=1).train()
    path = tmp_path / 'run/epoch_1.resume.pth'
    content = torch.load(path, weights_only=True)
    torch.save(dict(content, optimizer=Bomb(tmp_path / 'ran')), path)
    with pytest.raises(ValueError, match='epoch_1.resume.pth.*could run code'):
        make_runner(resume=True).train()
    assert not (tmp_path / 'ran').exists()


@pytest.mark.parametrize('content', [b'', b'no checkpoint', b'PK\x03\x04cut off'])
def test_damaged_file_gives_one_clear_error(tmp_path, content):
    path = tmp_path / 'damaged.pth'
    path.write_bytes(content)
    with pytest.raises(ValueError, match='damaged.pth cannot be read as a checkpoint'):
        CheckpointLoader.load_checkpoint(str(path))


def test_truncated_checkpoint_gives_one_clear_error(tmp_path):
    path = tmp_path / 'cut.pth'
    torch.save(dict(state_dict=dict(a=torch.rand(1000))), path)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(ValueError, match='cut.pth cannot be read as a checkpoint'):
        load_checkpoint(torch.nn.Linear(1, 1), str(path))


def test_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match='there is no checkpoint file.*nope'):
        CheckpointLoader.load_checkpoint(str(tmp_path / 'nope.pth'))


def test_what_mmengine_checkpoints_hold_is_loaded(tmp_path):
    content = dict(
        history=HistoryBuffer([1.0, 2.5], [1, 1]),
        score=np.float32(0.5),
        count=np.int64(3),
        flag=np.bool_(True),
        palette=np.arange(6, dtype=np.uint8).reshape(2, 3),
    )
    path = str(tmp_path / 'a.pth')
    torch.save(content, path)
    loaded = CheckpointLoader.load_checkpoint(path)
    assert loaded['history'].mean() == 1.75
    assert loaded['history'].current() == 2.5
    for key in ('score', 'count', 'flag'):
        assert loaded[key] == content[key]
        assert type(loaded[key]) is type(content[key])
    np.testing.assert_array_equal(loaded['palette'], content['palette'])


def test_names_of_numpy_1_are_loaded(tmp_path):
    path = tmp_path / 'a.pth'
    # not the zip format, whose entries a shorter name would move
    torch.save(np.float64(0.25), path, _use_new_zipfile_serialization=False)
    content = path.read_bytes().replace(b'numpy._core.multi', b'numpy.core.multi')
    path.write_bytes(content)
    assert b'numpy.core.multiarray' in content
    assert CheckpointLoader.load_checkpoint(str(path)) == 0.25


@pytest.mark.parametrize(
    ('owner', 'name'), [(HistoryBuffer, '__init__'), (torch.Tensor, 'min')]
)
def test_getattr_is_not_allowed_but_for_statistics(tmp_path, owner, name):
    path = str(tmp_path / 'a.pth')
    torch.save([Getattr(HistoryBuffer, 'min')], path)
    assert CheckpointLoader.load_checkpoint(path) == [HistoryBuffer.min]
    torch.save([HistoryBuffer([1], [1]), Getattr(owner, name)], path)
    with pytest.raises(ValueError, match='could run code'):
        CheckpointLoader.load_checkpoint(path)


def test_loaders_that_fetch_files_run_no_code_either(tmp_path):
    path = tmp_path / 'bomb.pth'
    torch.save(Bomb(tmp_path / 'ran'), path)

    def fetch(filename, map_location=None):
        # what torch.hub and the fallback of the OneDL fork do
        return torch.load(path, map_location, weights_only=False)

    with pytest.raises(ValueError, match='https://host/x.pth.*could run code'):
        _weights_only(fetch)('https://host/x.pth')
    assert not (tmp_path / 'ran').exists()
    assert 'TORCH_FORCE_WEIGHTS_ONLY_LOAD' not in os.environ


def test_every_scheme_of_mmengine_is_made_safe():
    register_safe_loaders()
    schemes = dict(CheckpointLoader._schemes)
    assert schemes.pop('').__module__ == 'm2ist_mm.checkpoints.checkpoint_loader'
    assert len(schemes) > 5
    for load in schemes.values():
        assert load.__name__.startswith('load_from_')
        assert not hasattr(load.__wrapped__, '__wrapped__')
