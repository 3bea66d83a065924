import hashlib
import json

import pytest

from m2ist_mm.datasets.preparation import Manifest

FILES = ['list.pth', 'images/', 'never-recorded.txt']


@pytest.fixture
def folder(tmp_path):
    (tmp_path / 'list.pth').write_bytes(b'rows')
    (tmp_path / 'images' / 'deep').mkdir(parents=True)
    (tmp_path / 'images' / '1.jpg').write_bytes(b'one')
    (tmp_path / 'images' / 'deep' / '2.jpg').write_bytes(b'second')
    Manifest(tmp_path).record(FILES[:2])
    (tmp_path / 'never-recorded.txt').write_bytes(b'')
    return tmp_path


def test_records_sizes_and_checksums(folder):
    sha256 = hashlib.sha256(b'rows').hexdigest()
    assert json.loads((folder / 'prepare.json').read_text()) == {
        'list.pth': dict(bytes=4, sha256=sha256),
        'images/': dict(files=2, bytes=9),
    }
    assert Manifest(folder).changed(FILES) == []


def test_later_run_notices_a_change_of_the_same_size(folder):
    (folder / 'list.pth').write_bytes(b'Rows')
    (line,) = Manifest(folder).changed(FILES)
    assert str(folder / 'list.pth') in line
    assert 'bytes 4, sha256 ' in line


def test_later_run_notices_a_missing_image(folder):
    (folder / 'images' / '1.jpg').unlink()
    (line,) = Manifest(folder).changed(FILES)
    assert 'bytes 6, files 1 instead of bytes 9, files 2' in line


def test_second_data_set_of_the_folder_keeps_the_first(folder):
    Manifest(folder).record(['never-recorded.txt'])
    assert set(Manifest(folder).entries) == set(FILES)


@pytest.mark.parametrize('content', ['{"list.pth": {', '3'])
def test_damaged_manifest_is_one_line(folder, content):
    (folder / 'prepare.json').write_text(content)
    with pytest.raises(ValueError, match='delete it, and it is written anew') as caught:
        Manifest(folder)
    assert len(str(caught.value).splitlines()) == 1
