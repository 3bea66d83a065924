import json
import os

import pytest

from m2ist_mm.fit.training import Training


@pytest.fixture
def folder(tmp_path):
    """A training of three epochs that was killed once and is over."""
    for stamp, lines in (
        (
            '20260101_100000',
            [
                dict(loss=3.0, time=0.5, memory=100, step=2),
                {'rec/P@0.5': 10.0, 'time': 9.0, 'step': 1},
            ],
        ),
        (
            '20260101_110000',
            [
                dict(loss=2.0, time=0.7, memory=300, step=4),
                {'rec/P@0.5': 30.0, 'step': 2},
                {'rec/P@0.5': 20.0, 'step': 3},
            ],
        ),
    ):
        log = tmp_path / stamp / 'vis_data' / 'scalars.json'
        log.parent.mkdir(parents=True)
        log.write_text('\n'.join(map(json.dumps, lines)) + '\n{"loss": 1')
    (tmp_path / 'last_checkpoint').write_text('/elsewhere/epoch_3.pth')
    (tmp_path / 'last_validation').write_text('epoch_3.pth')
    for name in ('best_rec_P@0.5_epoch_2.pth', 'epoch_3.pth'):
        (tmp_path / name).touch()
    return tmp_path


def test_logs_of_all_runs_count(folder):
    training = Training(folder, 3)
    assert training.validations() == {1: 10.0, 2: 30.0, 3: 20.0}
    assert training.step_seconds() == pytest.approx(0.6)
    assert training.gpu_peak() == 300 * 2**20


def test_seconds_are_from_the_start_of_each_run_to_its_last_line(folder, monkeypatch):
    for log in folder.glob('*/vis_data/scalars.json'):
        begin = 1767261600 if '_10' in log.parts[-3] else 1767265200
        os.utime(log, (begin + 40, begin + 40))
    monkeypatch.setattr('time.mktime', lambda t: 1767261600 + 3600 * (t.tm_hour - 10))
    assert Training(folder, 3).seconds() == 80


def test_a_training_is_done_when_the_last_epoch_is_validated(folder):
    assert Training(folder, 3).done
    assert not Training(folder, 4).done
    (folder / 'last_validation').write_text('epoch_2.pth')
    assert not Training(folder, 3).done
    assert Training(folder, 3, validated=False).done
    (folder / 'last_checkpoint').unlink()
    assert not Training(folder, 3, validated=False).done


def test_the_checkpoint_is_the_best_or_else_the_last(folder):
    assert Training(folder, 3).checkpoint.name == 'best_rec_P@0.5_epoch_2.pth'
    (folder / 'best_rec_P@0.5_epoch_2.pth').unlink()
    assert Training(folder, 3).checkpoint.name == 'epoch_3.pth'
    with pytest.raises(FileNotFoundError, match='has no checkpoint epoch_4.pth'):
        _ = Training(folder, 4).checkpoint


def test_an_empty_folder_is_a_training_to_come(tmp_path):
    training = Training(tmp_path, 3)
    assert not training.done
    assert training.step_seconds() is training.gpu_peak() is None
    assert training.seconds() == 0
