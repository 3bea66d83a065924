"""Trainings that are killed, whole or in part, or fill the disk, and are resumed."""

import multiprocessing
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

from forked import run_forked
from world import World, final_state, resume, train

from m2ist_mm.checkpoints.torch_file import read_torch_file

EQUAL = 'resumed equal, bit for bit'
TORN = 'a torn checkpoint'
OTHER = 'resumed to other weights'
NEVER_FULL = 'skipped: the disk was never full'
LEFT = '.dist_test/ is left'
LATE = 'the other rank did not end'
FAILED = 'not resumed'
EPOCHS = 3
_RANK_TIMEOUT = 60  # seconds


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


def fill_disk_and_resume(world: World, random: Random, folder: Path, size: int) -> str:
    """Train onto a disk that is full at some time; resume elsewhere.

    Args:
        world: The config.
        random: Draws the disk's size.
        folder: Gets the work dir.
        size: Bytes that a training leaves in its work dir, all of which it needs.

    Returns:
        As :func:`kill_and_resume`, or 'skipped: ...'.
    """
    disk = folder / 'disk'
    disk.mkdir()
    with _mounted(disk, int(random.uniform(0.1, 0.9) * size / 1024)) as problem:
        if problem:
            return f'skipped: {problem}'
        ended = run_forked(lambda: _train(world, disk / 'work'), folder)
        if 'Traceback' in ended.output or ended.signal or ended.timed_out:
            return 'a traceback'
        if ended.result == 0:
            return NEVER_FULL
        if 'error: ' not in ended.output:
            return 'no line that says why'
        shutil.copytree(disk / 'work', folder / 'work', dirs_exist_ok=True)
    return _resume(world, folder, folder / 'work')


def kill_rank_and_resume(
    world: World, random: Random, folder: Path, seconds: float
) -> str:
    """Kill one of two ranks at a random moment; resume with two.

    The other is ended by SIGTERM, as torch's launcher does.

    Args:
        world: The config.
        random: Draws rank and moment.
        folder: Gets the work dir.
        seconds: How long a training of two ranks takes.
    """
    work_dir = folder / 'work'
    killed = random.randrange(2), random.uniform(0, seconds)
    ended = run_forked(lambda: _train_ranks(world, work_dir, killed), folder)
    if ended.result is None or None in ended.result:
        return LATE
    if list(folder.rglob('.dist_test')):
        return LEFT
    ended = run_forked(lambda: _check_and_resume_ranks(world, work_dir), folder)
    if ended.result is None:
        print(ended.output[-3000:])
        return FAILED
    return ended.result


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


@dataclass(frozen=True)
class Whole:
    """A training that nothing stopped.

    Args:
        state: Hash of what it ends with.
        seconds: How long it took.
        size: Bytes in its work dir.
    """

    state: str
    seconds: float
    size: int


def uninterrupted(world: World, folder: Path, ranks: int = 1) -> Whole:
    """Train in one process or two."""
    work_dir = folder / f'work_of_{ranks}'
    run = _train if ranks == 1 else _train_ranks
    ended = run_forked(lambda: run(world, work_dir), folder)
    assert ended.result in (0, [0, 0]), ended.output
    return Whole(
        final_state(work_dir / f'epoch_{EPOCHS}.pth'),
        ended.seconds,
        sum(path.stat().st_size for path in work_dir.rglob('*') if path.is_file()),
    )


def _train(
    world: World, work_dir: Path, killed_at: tuple[str, int] | None = None
) -> int:
    if killed_at is not None:
        _kill_self_at(*killed_at)
    return train(world.config, '--work-dir', work_dir)


def _train_ranks(
    world: World,
    work_dir: Path,
    killed: tuple[int, float] | None = None,
    *options: str,
) -> list[int | None]:
    """Train in two processes, of which one may be killed after some seconds.

    Returns:
        Exit status of each; ``None`` where it did not end within the timeout.
    """
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    os.environ.update(MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port), WORLD_SIZE='2')
    context = multiprocessing.get_context('fork')
    processes = [
        context.Process(target=_be_rank, args=[rank, world, work_dir, options])
        for rank in range(2)
    ]
    for process in processes:
        process.start()
    if killed is not None:
        rank, moment = killed
        processes[rank].join(moment)
        processes[rank].kill()
        processes[1 - rank].terminate()
    for process in processes:
        process.join(_RANK_TIMEOUT)
    codes = [process.exitcode for process in processes]
    for process in processes:
        process.kill()
    return codes


def _be_rank(rank: int, world: World, work_dir: Path, options: tuple) -> None:
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank))
    arguments = ('--work-dir', work_dir, '--launcher', 'pytorch', *options)
    os._exit(train(world.config, *arguments))


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
    if _is_torn(work_dir):
        return TORN
    code, state = resume(world.config, work_dir, EPOCHS)
    if code:
        raise SystemExit(f'exit code {code}')
    return EQUAL if state == world.whole.state else OTHER


def _check_and_resume_ranks(world: World, work_dir: Path) -> str:
    if _is_torn(work_dir):
        return TORN
    if _train_ranks(world, work_dir, None, '--resume') != [0, 0]:
        raise SystemExit('a rank failed')
    state = final_state(work_dir / f'epoch_{EPOCHS}.pth')
    return EQUAL if state == world.whole_of_two.state else OTHER


def _is_torn(work_dir: Path) -> bool:
    for path in work_dir.glob('*.pth'):
        try:
            read_torch_file(path)
        except ValueError as error:
            print(error)
            return True
    return False
