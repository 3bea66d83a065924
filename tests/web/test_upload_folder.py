import os
import threading
import time

import pytest

from m2ist_mm.web.upload_folder import UploadFolder


def wait_until_gone(path, seconds):
    end = time.monotonic() + seconds
    while path.exists() and time.monotonic() < end:
        time.sleep(0.02)
    return not path.exists()


@pytest.mark.slow
def test_old_uploads_are_deleted_and_new_ones_stay():
    with UploadFolder(max_age=0.6, period=0.05) as folder:
        assert os.stat(folder.path).st_mode & 0o077 == 0  # of this user alone
        old = folder.path / 'a' / 'old.jpg'
        old.parent.mkdir()
        old.write_bytes(b'12345')
        assert folder.size() == 5
        time.sleep(0.3)
        new = folder.path / 'new.jpg'
        new.write_bytes(b'1')
        assert wait_until_gone(old, 2)
        assert new.exists()
        assert wait_until_gone(old.parent, 2)
        assert wait_until_gone(new, 2)


def test_old_modification_time_of_a_client_does_not_matter():
    with UploadFolder(max_age=30) as folder:
        path = folder.path / 'old.jpg'
        path.write_bytes(b'1')
        os.utime(path, (0, 0))
        folder.sweep()
        assert path.exists()


def test_folders_that_vanish_meanwhile_do_not_matter():
    done = threading.Event()

    def come_and_go():
        while not done.is_set():
            for name in 'abcdefgh':
                (folder.path / name / 'b').mkdir(parents=True)
            for name in 'abcdefgh':
                (folder.path / name / 'b').rmdir()
                (folder.path / name).rmdir()

    with UploadFolder(max_age=30) as folder:
        other = threading.Thread(target=come_and_go)
        other.start()
        try:
            sizes = {folder.size() for _ in range(300)}
        finally:
            done.set()
            other.join()
    assert sizes == {0}


def test_everything_is_deleted_at_the_end():
    with UploadFolder(max_age=60) as folder:
        (folder.path / 'a').mkdir()
        (folder.path / 'a' / 'b.jpg').write_bytes(b'1')
    assert not folder.path.exists()
