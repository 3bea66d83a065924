from pathlib import Path

import pytest
from mmengine.runner import Runner

from m2ist_mm.checkpoints.work_dir_lock import FileLock
from m2ist_mm.datasets import ReferDataset
from m2ist_mm.engine import data_first_runner
from m2ist_mm.engine.program import run_config
from m2ist_mm.models.towers import map_tower, transformers_tower


@pytest.fixture
def calls(monkeypatch):
    """What is looked at, in order."""
    calls = []

    def record(owner, attribute, name):
        function = getattr(owner, attribute)

        def recorded(*args, **kwargs):
            calls.append(name)
            return function(*args, **kwargs)

        monkeypatch.setattr(owner, attribute, recorded)

    record(ReferDataset, 'load_expressions', 'data')
    record(data_first_runner, 'lock_work_dir', 'work dir')
    record(map_tower, 'load_pretrained_state', 'weights')
    record(transformers_tower.BaseTransformersTower, '_from_pretrained', 'weights')
    for stage in ('train', 'test'):
        monkeypatch.setattr(Runner, stage, lambda runner: calls.append('run'))
    return calls


@pytest.mark.parametrize(
    ('stage', 'first'),
    [('train', ['data', 'data', 'work dir']), ('test', ['data'])],
)
def test_data_and_work_dir_are_looked_at_before_weights(
    nano_config, tmp_path, calls, stage, first
):
    nano_config.work_dir = str(tmp_path)
    run_config(nano_config, stage)
    assert calls == [*first, 'weights', 'weights', 'run']


def test_missing_data_are_told_before_missing_weights(nano_config, tmp_path, calls):
    nano_config.merge_from_dict(
        {
            'work_dir': str(tmp_path),
            'train_dataloader.dataset.data_root': 'nowhere',
            'model.backbone.language.weights': 'nobody/nothing',
        }
    )
    with pytest.raises(ValueError, match='nowhere/.*no such file'):
        run_config(nano_config, 'train')
    assert calls == ['data']


def test_a_work_dir_in_use_is_told_before_missing_weights(
    nano_config, tmp_path, calls, monkeypatch
):
    monkeypatch.setattr('m2ist_mm.checkpoints.work_dir_lock.PATIENCE', 0)
    nano_config.work_dir = str(tmp_path)
    with (
        FileLock(Path(tmp_path, 'training.lock').resolve()),
        pytest.raises(BlockingIOError, match='another training runs in'),
    ):
        run_config(nano_config, 'train')
    assert 'weights' not in calls
