"""Runs a program of ``tools/`` and waits for it."""

import ctypes
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from ..engine.interruption import PATIENCE
from .memory import bytes_in_proc

_PR_SET_PDEATHSIG = 1
_MARGIN = 3  # seconds to the end of this process's own patience
_LIBC = ctypes.CDLL(None) if sys.platform == 'linux' else None


def run_tool(
    command: Sequence[str],
    log: Path,
    watch: Callable[[], None] = lambda: None,
    interval: float = 0.5,
) -> int | None:
    """Run a program of ``tools/``; its output is appended to a file.

    It ends with this process, however that ends (on Linux, also when it is killed). A
    signal to this process is handed on: a training ends after its step.

    Args:
        command: The program's file and its arguments.
        log: The file.
        watch: Called now and then while it runs.
        interval: Seconds between two looks.

    Returns:
        Most bytes of memory that it had, without a GPU's; ``None`` where the system
        does not count them.

    Raises:
        ValueError: The program failed; the message is the last line that it wrote.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    start = log.stat().st_size if log.exists() else 0
    with open(log, 'ab') as output:
        process = subprocess.Popen(
            [sys.executable, *map(str, command)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_die_with_parent,
        )
        try:
            peak = _wait(process, watch, interval)
        except BaseException:
            process.terminate()
            try:
                process.wait(PATIENCE - _MARGIN)
            except subprocess.TimeoutExpired:
                process.kill()
            raise
    if process.returncode:
        with open(log, 'rb') as file:
            file.seek(start)
            lines = file.read().decode(errors='replace').split('\n')
        raise ValueError(
            f'{Path(command[0]).name} {_reason(process.returncode, lines)} (all of its '
            f'output: {log})'
        )
    return peak


def _wait(
    process: subprocess.Popen, watch: Callable[[], None], interval: float
) -> int | None:
    """Wait for the end; give the most bytes of memory that were seen."""
    peak = None
    while process.poll() is None:
        watch()
        peak = bytes_in_proc(f'{process.pid}/status', 'VmHWM') or peak
        time.sleep(interval)
    watch()
    return peak


def _die_with_parent() -> None:
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _reason(code: int, lines: list[str]) -> str:
    """The signal that ended it; or the line that names the error, or the last one."""
    if code == -signal.SIGKILL:
        return (
            'was killed, as the system does when memory runs out: free some, and run '
            'the same command; or plan anew by --restart --memory SIZE'
        )
    if code < 0:
        return f'was ended by {signal.Signals(-code).name}'
    written = [line.strip() for line in lines if line.strip()]
    named = [line.partition('error: ')[2] for line in written if 'error: ' in line]
    return f'failed: {(named or written or ["it said nothing"])[-1]}'
