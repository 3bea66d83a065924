"""The harness in its short form: no bad outcome among 100 inputs and 3 kills."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_no_bad_outcome(tmp_path):
    command = ['tests/robustness/run.py', '--inputs', '100', '--kills', '3']
    command += ['--results', str(tmp_path / 'results.jsonl')]
    done = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env={**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHONPATH': str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
