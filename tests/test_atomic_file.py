import errno
import os
import threading

import pytest
from mmengine.fileio import get_file_backend

import m2ist_mm  # noqa: F401
from m2ist_mm.atomic_file import make_folder, remove_unfinished, write_atomically


def test_folder_is_made_and_file_replaced(tmp_path):
    path = tmp_path / 'new' / 'a.txt'
    write_atomically(path, b'one')
    write_atomically(str(path), b'two')
    assert path.read_bytes() == b'two'
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize('error', [OSError(errno.ENOSPC, 'No space left'), SystemExit])
def test_failure_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, error):
    path = tmp_path / 'a.txt'
    path.write_bytes(b'old')

    def fail(source, target):
        raise error

    monkeypatch.setattr(os, 'replace', fail)
    with pytest.raises((OSError, SystemExit)) as info:
        write_atomically(path, b'new')
    assert path.read_bytes() == b'old'
    assert list(tmp_path.iterdir()) == [path]
    if info.type is OSError:
        assert 'No space left' in str(info.value)
        assert str(path) in str(info.value)


def test_a_file_in_the_place_of_a_folder_is_told(tmp_path):
    (tmp_path / 'a').write_bytes(b'old')
    with pytest.raises(OSError, match='not written, .*a/b.txt'):
        write_atomically(tmp_path / 'a' / 'b.txt', b'new')
    with pytest.raises(OSError, match=r'^--out .*/a/b: no folder can be made there'):
        make_folder('--out', tmp_path / 'a' / 'b')
    assert (tmp_path / 'a').read_bytes() == b'old'
    for _ in range(2):
        make_folder('--out', tmp_path / 'c' / 'd')
    assert (tmp_path / 'c' / 'd').is_dir()


def test_backend_writes_atomically(tmp_path, monkeypatch):
    backend = get_file_backend(backend_args=dict(backend='atomic_local'))
    backend.put(b'one', tmp_path / 'a.bin')
    backend.put_text('zwei', tmp_path / 'b.txt')
    assert (tmp_path / 'a.bin').read_bytes() == b'one'
    assert (tmp_path / 'b.txt').read_text() == 'zwei'
    monkeypatch.setattr(os, 'replace', lambda *_: os.mkdir('/proc/x'))
    with pytest.raises(OSError, match='a.bin'):
        backend.put(b'three', tmp_path / 'a.bin')
    assert (tmp_path / 'a.bin').read_bytes() == b'one'


def test_several_writers_never_give_a_torn_file(tmp_path):
    path = tmp_path / 'a.bin'
    contents = [bytes([i]) * 100_000 for i in range(3)]
    write_atomically(path, contents[0])
    writers = [
        threading.Thread(
            target=lambda c=c: [write_atomically(path, c) for _ in range(40)]
        )
        for c in contents
    ]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        assert path.read_bytes() in contents
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_writer_left_is_removed(tmp_path, monkeypatch):
    path = tmp_path / 'a.bin'
    with monkeypatch.context() as patch:
        patch.setattr(os, 'replace', lambda *_: None)  # killed before it
        write_atomically(path, b'lost')
    (left,) = tmp_path.iterdir()
    write_atomically(path, b'kept')
    assert left.exists()
    remove_unfinished(tmp_path)
    assert list(tmp_path.iterdir()) == [path]
