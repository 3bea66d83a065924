import subprocess
from types import SimpleNamespace

import compare_methods
import pytest


@pytest.mark.parametrize(
    ('stderr', 'told'),
    [
        (b'a warning\nerror: no data\n(where it happened: a.log)\n', 'error: no data'),
        (b'Traceback:\n  a line\nKeyError: 1\n', 'KeyError: 1'),
        (b'', 'exit code -9'),  # killed
    ],
)
def test_failed_run_says_why(stderr, told, monkeypatch):
    done = SimpleNamespace(returncode=-9, stderr=stderr)
    monkeypatch.setattr(subprocess, 'run', lambda *_, **__: done)
    with pytest.raises(ValueError, match=f'train.py a.py failed: {told}$'):
        compare_methods.call('train.py', 'a.py')
