import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from m2ist_mm.fit.tool_process import run_tool

ROOT = Path(__file__).parents[2]


def program(tmp_path, text):
    path = tmp_path / 'tool.py'
    path.write_text(text)
    return path


def test_output_goes_to_the_log_and_memory_is_measured(tmp_path):
    tool = program(
        tmp_path,
        'import sys, time\nheld = b"x" * 150_000_000\n'
        'print("here", *sys.argv[1:])\ntime.sleep(0.3)\n',
    )
    looks = []
    peak = run_tool(
        [tool, 'a', 'b'], tmp_path / 'log', lambda: looks.append(1), interval=0.01
    )
    assert (tmp_path / 'log').read_text() == 'here a b\n'
    assert 150_000_000 < peak < 250_000_000
    assert len(looks) >= 2


def test_what_failed_says_why_in_a_line(tmp_path):
    (tmp_path / 'log').write_text('error: an earlier run\n')
    tool = program(
        tmp_path,
        'import sys\nprint("error: no such image", file=sys.stderr)\n'
        'print("(where in the program it happened: x)")\nsys.exit(1)\n',
    )
    with pytest.raises(ValueError) as error:
        run_tool([tool], tmp_path / 'log')
    assert str(error.value) == (
        f'tool.py failed: no such image (all of its output: {tmp_path}/log)'
    )


def test_a_program_that_was_killed_is_said_to_be(tmp_path):
    tool = program(
        tmp_path, 'import os\nprint("step 3", flush=True)\nos.kill(os.getpid(), 9)\n'
    )
    with pytest.raises(ValueError, match='tool.py was killed, .* --restart --memory'):
        run_tool([tool], tmp_path / 'log')


def test_an_exception_here_ends_the_program(tmp_path):
    tool = program(tmp_path, 'import time\ntime.sleep(60)\n')

    def watch():
        raise KeyboardInterrupt

    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run_tool([tool], tmp_path / 'log', watch)
    assert time.monotonic() - begin < 10


@pytest.mark.slow
def test_a_program_that_does_not_end_is_killed_in_time(tmp_path, monkeypatch):
    monkeypatch.setattr('m2ist_mm.fit.tool_process.PATIENCE', 5)
    tool = program(
        tmp_path,
        'import signal, time\n'
        'signal.signal(signal.SIGTERM, signal.SIG_IGN)\n'
        'print("ready", flush=True)\n'
        'time.sleep(60)\n',
    )
    log = tmp_path / 'log'
    begin = None

    def watch():
        nonlocal begin
        if log.read_text():
            begin = time.monotonic()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_tool([tool], log, watch)
    # before this process's own patience is over
    assert 1 < time.monotonic() - begin < 5


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != 'linux', reason='needs prctl')
def test_the_program_ends_when_this_process_is_killed(tmp_path):
    tool = program(
        tmp_path,
        'import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(600)\n',
    )
    parent = subprocess.Popen(
        [
            sys.executable,
            '-c',
            'from pathlib import Path\n'
            'from m2ist_mm.fit.tool_process import run_tool\n'
            f'run_tool([{str(tool)!r}], Path({str(tmp_path / "log")!r}))\n',
        ],
        env={**os.environ, 'PYTHONPATH': os.pathsep.join([str(ROOT), *sys.path])},
    )
    log = tmp_path / 'log'
    deadline = time.monotonic() + 300
    while not (log.exists() and log.read_text().endswith('\n')):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    child = int(log.read_text())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    while Path(f'/proc/{child}').exists():
        assert time.monotonic() < deadline
        state = Path(f'/proc/{child}/stat')
        if state.exists() and state.read_text().rpartition(') ')[2][0] == 'Z':
            break  # nobody has waited for it
        time.sleep(0.05)
