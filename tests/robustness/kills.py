"""Trainings that are killed, or fill the disk, and are resumed."""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from random import Random

from forked import run_forked
from world import World, final_state, resume, train

from m2ist_mm.checkpoints.torch_file import read_torch_file

EQUAL = 'resumed equal, bit for bit'
TORN = 'a torn checkpoint'
OTHER = 'resumed to other weights'
FAILED = 'not resumed'
EPOCHS = 3


def kill_and_resume(world: World, random: Random, folder: Path, seconds: float) -> str:
    """Kill a training at a random moment, inside a write or anywhere, and resume it.

    Args:
        world: The config.
        random: Draws the moment.
        folder: Gets the work dir.
        seconds: How long a training takes.
    """
    work_dir = folder / 'work'
    if random.random() < 0.5:
        name, number = random.choice(('fsync', 'replace')), random.randrange(1, 15)
        run_forked(lambda: _train(world, work_dir, (name, number)), folder)
    else:
        moment = random.uniform(0, seconds)
        run_forked(lambda: _train(world, work_dir), folder, kill_after=moment)
    return _resume(world, folder, work_dir)


def fill_disk_and_resume(world: World, random: Random, folder: Path) -> str:
    """Train onto a disk that is full at some time; resume elsewhere.

    Returns:
        As :func:`kill_and_resume`, or 'skipped: ...'.
    """
    disk = folder / 'disk'
    disk.mkdir()
    size = random.randrange(60, 900)  # KiB
    with _mounted(disk, size) as problem:
        if problem:
            return f'skipped: {problem}'
        ended = run_forked(lambda: _train(world, disk / 'work'), folder)
        if 'Traceback' in ended.output or ended.signal or ended.timed_out:
            return 'a traceback'
        if ended.result and 'error: ' not in ended.output:
            return 'no line that says why'
        shutil.copytree(disk / 'work', folder / 'work', dirs_exist_ok=True)
    return _resume(world, folder, folder / 'work')


@contextmanager
def _mounted(folder: Path, kibibytes: int):
    command = ['mount', '-t', 'tmpfs', '-o', f'size={kibibytes}k', 'tmpfs', str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        yield 'no right to mount a small disk'
        return
    try:
        yield ''
    finally:
        subprocess.run(['umount', str(folder)], check=True)


def uninterrupted(world: World, folder: Path) -> tuple[str, float]:
    """State at the end of a training that nothing stops, and how long it takes."""
    ended = run_forked(lambda: _train(world, folder / 'work'), folder)
    assert ended.result == 0, ended.output
    return final_state(folder / 'work' / f'epoch_{EPOCHS}.pth'), ended.seconds


def _train(
    world: World, work_dir: Path, killed_at: tuple[str, int] | None = None
) -> int:
    if killed_at is not None:
        _kill_self_at(*killed_at)
    return train(world.config, '--work-dir', work_dir)


def _kill_self_at(name: str, number: int) -> None:
    """Kill this process when it calls a function of ``os`` for the n-th time."""
    function: Callable = getattr(os, name)
    left = number

    def counted(*args, **kwargs):
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **kwargs)

    setattr(os, name, counted)


def _resume(world: World, folder: Path, work_dir: Path) -> str:
    ended = run_forked(lambda: _check_and_resume(world, work_dir), folder)
    if ended.result is None:
        print(ended.output[-3000:])
        return FAILED
    return ended.result


def _check_and_resume(world: World, work_dir: Path) -> str:
    for path in work_dir.glob('*.pth'):
        try:
            read_torch_file(path)
        except ValueError as error:
            print(error)
            return TORN
    code, state = resume(world.config, work_dir, EPOCHS)
    if code:
        raise SystemExit(f'exit code {code}')
    return EQUAL if state == world.final_state else OTHER
