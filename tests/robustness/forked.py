"""Runs a function in a fork of this process, which has imported all, with limits."""

import os
import pickle
import resource
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_MORE_MEMORY = 4 << 30  # bytes of address space beyond what this process has


@dataclass(frozen=True)
class Ended:
    """How a fork ended.

    Args:
        result: What the function returned; ``None`` where it did not.
        signal: What ended the process, 0 if nothing did.
        timed_out: Whether it was killed because it took too long.
        output: Both of its streams.
        seconds: How long it ran.
    """

    result: Any
    signal: int
    timed_out: bool
    output: str
    seconds: float


def run_forked(
    function: Callable[[], Any],
    folder: Path,
    timeout: float = 120,
    kill_after: float | None = None,
) -> Ended:
    """Run a function in a fork, in a folder.

    Args:
        function: What is run. What it returns must be picklable.
        folder: Its current folder; gets ``output.txt``.
        timeout: Seconds after which it counts as hanging.
        kill_after: Seconds after which it is killed in any case.
    """
    reader, writer = os.pipe()
    output = folder / 'output.txt'
    sys.stdout.flush()
    sys.stderr.flush()
    start = time.monotonic()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _run_child(function, folder, output, writer)
    os.close(writer)
    content, ended_in_time = _read_all(reader, start + (kill_after or timeout))
    if not ended_in_time:
        os.killpg(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return Ended(
        result=pickle.loads(content) if content and ended_in_time else None,
        signal=os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0,
        timed_out=not ended_in_time and kill_after is None,
        output=output.read_text(errors='replace') if output.exists() else '',
        seconds=time.monotonic() - start,
    )


def _read_all(reader: int, deadline: float) -> tuple[bytes, bool]:
    """Read a pipe to its end; gives whether that came before the deadline."""
    parts = []
    with os.fdopen(reader, 'rb', buffering=0) as pipe:
        while select.select([pipe], [], [], max(0, deadline - time.monotonic()))[0]:
            part = pipe.read(1 << 16)
            if not part:
                return b''.join(parts), True
            parts.append(part)
    return b'', False


def _run_child(function: Callable, folder: Path, output: Path, writer: int) -> None:
    """Be the child: never returns."""
    try:
        os.setpgid(0, 0)
        with open(os.devnull) as null, open(output, 'w') as file:
            os.dup2(null.fileno(), 0)
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        sys.stdout.reconfigure(line_buffering=True)
        os.chdir(folder)
        pages = int(Path('/proc/self/statm').read_text().split()[0])
        limit = pages * resource.getpagesize() + _MORE_MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        result = function()
        sys.stdout.flush()
        os.write(writer, pickle.dumps(result))
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
