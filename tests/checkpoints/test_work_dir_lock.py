import os
import signal
import subprocess
import sys
import time

import pytest

from m2ist_mm.checkpoints import work_dir_lock
from m2ist_mm.checkpoints.work_dir_lock import lock_work_dir

HOLD = """
import sys, time
from filelock import FileLock
lock = FileLock(sys.argv[1])
lock.acquire()
print('held', flush=True)
time.sleep(600)
"""


@pytest.fixture
def other_training(tmp_path):
    """Another process that trains in ``tmp_path / 'run'``."""
    (tmp_path / 'run').mkdir()
    process = subprocess.Popen(
        [sys.executable, '-c', HOLD, str(tmp_path / 'run/training.lock')],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == 'held\n'
    yield process
    process.kill()
    process.wait()


def test_a_second_training_in_a_work_dir_is_refused(
    make_runner, tmp_path, other_training, monkeypatch
):
    monkeypatch.setattr(work_dir_lock, 'PATIENCE', 0.2)
    with pytest.raises(BlockingIOError, match='another training runs in .*/run: '):
        make_runner(max_epochs=1).train()
    assert not list((tmp_path / 'run').glob('*.pth'))


def test_the_lock_goes_with_a_killed_process(make_runner, tmp_path, other_training):
    left = tmp_path / 'run/.epoch_1.pth.0.tmp'
    left.write_bytes(b'half')
    os.kill(other_training.pid, signal.SIGKILL)
    start = time.monotonic()
    make_runner(max_epochs=1).train()
    assert time.monotonic() - start < 10
    assert (tmp_path / 'run/epoch_1.pth').exists()
    assert not left.exists()


def test_one_process_may_train_again_after_an_error(make_runner, tmp_path):
    held = lock_work_dir(tmp_path / 'run')
    make_runner(max_epochs=1).train()
    make_runner(max_epochs=2, resume=True).train()
    assert held.is_locked


def test_a_file_in_place_of_a_work_dir_is_named(tmp_path):
    path = tmp_path / 'file'
    path.write_text('')
    with pytest.raises(OSError, match=f'--work-dir {path}: no folder .*File exists'):
        lock_work_dir(path)
