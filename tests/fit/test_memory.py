import re
import sys
from pathlib import Path

import pytest

from m2ist_mm.fit import memory
from m2ist_mm.fit.memory import (
    format_bytes,
    free_memory,
    parse_bytes,
    release_memory,
    runtime_memory,
)


@pytest.mark.parametrize(
    ('text', 'size'),
    [
        ('8GB', 8 * 10**9),
        ('8', 8 * 10**9),
        (' 7.5 gb ', 7_500_000_000),
        ('7.5GiB', 7.5 * 2**30),
        ('900MB', 900 * 10**6),
        ('900m', 900 * 10**6),
        ('512 MiB', 512 * 2**20),
    ],
)
def test_sizes(text, size):
    assert parse_bytes(text) == size


@pytest.mark.parametrize(
    'text',
    ['', 'all', '8XB', '-1GB', '0', '1 iB', '8GB free', '500B', '8e9', '8000000000'],
)
def test_what_is_no_size_is_refused_in_a_line(text):
    with pytest.raises(ValueError, match='--memory .*write a size as 8GB'):
        parse_bytes(text)


def test_written_sizes_have_their_unit():
    assert format_bytes(1_234_567_890) == '1.23 GB'
    assert format_bytes(12_345_678) == '12 MB'


def test_this_machine_has_memory_and_this_program_needs_some():
    assert 10**8 < runtime_memory('cpu') < free_memory('cpu') + runtime_memory('cpu')


@pytest.mark.parametrize(
    ('part', 'most', 'used'),
    [
        ('', 'memory.max', 'memory.current'),
        ('memory', 'memory.limit_in_bytes', 'memory.usage_in_bytes'),
    ],
)
def test_a_container_has_what_its_limit_leaves(tmp_path, monkeypatch, part, most, used):
    monkeypatch.setattr(memory, '_GROUP', tmp_path)
    machine = free_memory('cpu')
    (tmp_path / part).mkdir(exist_ok=True)
    for name, content in (
        (most, '50000000'),
        (used, '30000000'),
        ('memory.stat', 'active_file 7\ninactive_file 4000000\n'),
    ):
        (tmp_path / part / name).write_text(content)
    assert free_memory('cpu') == 24_000_000
    (tmp_path / part / most).write_text('max')
    assert free_memory('cpu') > machine / 2


@pytest.mark.skipif(sys.platform != 'linux', reason='of glibc')
def test_freed_memory_goes_back_to_the_system():
    def used():
        status = Path('/proc/self/status').read_text()
        return int(re.search(r'RssAnon:\s+(\d+)', status)[1]) * 1024

    # small blocks, between others that stay
    blocks = [bytearray(8192) for _ in range(20_000)]
    full = used()
    blocks = blocks[::64]
    release_memory()
    assert used() < full - 100e6
