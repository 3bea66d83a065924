import io
import os
import tarfile
import zipfile
from collections import namedtuple

import pytest

from m2ist_mm.datasets.preparation import Archive

FILES = {'top/a.txt': b'aaaa' * 100, 'top/sub/b.txt': b'b' * 50, 'other/c.txt': b'c'}


def write_zip(path, files=FILES):
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)


def write_tar(path, files=FILES):
    with tarfile.open(path, 'w:gz' if path.suffix == '.gz' else 'w') as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


WRITERS = {'a.zip': write_zip, 'a.tar': write_tar, 'a.tar.gz': write_tar}


def below_top(name):
    return name if name.startswith('top/') else None


def tree(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob('*')
        if path.is_file()
    }


WANTED = {name: content for name, content in FILES.items() if below_top(name)}


@pytest.fixture(params=WRITERS)
def archive(request, tmp_path):
    path = tmp_path / request.param
    WRITERS[request.param](path)
    return path


def test_unpacks_what_is_wanted_and_leaves_nothing_else(archive, tmp_path):
    out = tmp_path / 'out'
    assert Archive(archive).unpack(out, below_top) == 2
    assert tree(out) == WANTED
    assert os.listdir(out) == ['top']
    assert Archive(archive).unpack(out, below_top) == 0


def test_goes_on_where_it_was_interrupted(archive, tmp_path):
    out = tmp_path / 'out'
    partial = out / f'.{archive.name}.partial' / 'top'
    partial.mkdir(parents=True)
    # whole, so kept as it is; cut, so written again
    (partial / 'a.txt').write_bytes(b'x' * 400)
    (partial / 'a.txt.unfinished').write_bytes(b'x')
    (partial / 'sub').mkdir()
    (partial / 'sub' / 'b.txt.unfinished').write_bytes(b'b')
    Archive(archive).unpack(out, below_top)
    assert (out / 'top' / 'a.txt').read_bytes() == b'x' * 400
    assert (out / 'top' / 'sub' / 'b.txt').read_bytes() == b'b' * 50


def test_fills_a_folder_that_is_there(archive, tmp_path):
    out = tmp_path / 'out'
    (out / 'top').mkdir(parents=True)
    (out / 'top' / 'mine.txt').write_bytes(b'mine')
    (out / 'top' / 'a.txt').write_bytes(b'cut')
    Archive(archive).unpack(out, below_top)
    assert tree(out) == {**WANTED, 'top/mine.txt': b'mine'}


@pytest.mark.parametrize('length', [10, 150, -20])
def test_truncated_archive_is_one_line_and_puts_nothing_in_place(
    archive, tmp_path, length
):
    archive.write_bytes(archive.read_bytes()[:length])
    if archive.suffix == '.tar' and length < 0:
        pytest.skip('a tar ends with kilobytes of zeros that carry nothing')
    with pytest.raises(ValueError, match='damaged or incomplete') as caught:
        Archive(archive).unpack(tmp_path / 'out', below_top)
    assert len(str(caught.value).splitlines()) == 1
    assert str(archive) in str(caught.value)
    assert not (tmp_path / 'out' / 'top').exists()


def test_flipped_byte_in_a_zip_is_noticed(tmp_path):
    path = tmp_path / 'a.zip'
    with zipfile.ZipFile(path, 'w') as archive:  # stored, not compressed
        archive.writestr('top/a.txt', b'a' * 1000)
    path.write_bytes(path.read_bytes().replace(b'aaaa', b'aaba', 1))
    with pytest.raises(ValueError, match='CRC'):
        Archive(path).unpack(tmp_path / 'out', below_top)
    assert not (tmp_path / 'out' / 'top').exists()


@pytest.mark.parametrize('name', ['a.zip', 'a.tar'])
@pytest.mark.parametrize('evil', ['../evil', 'top/../../evil', '/evil', 'top\\..\\x'])
def test_path_out_of_the_folder_is_refused(tmp_path, name, evil):
    path = tmp_path / name
    WRITERS[name](path, {'top/a.txt': b'a', evil: b'evil'})
    with pytest.raises(ValueError, match='leads out of the folder'):
        Archive(path).unpack(tmp_path / 'out', below_top)
    assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize('kind', [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE])
def test_link_in_a_tar_is_refused(tmp_path, kind):
    with tarfile.open(tmp_path / 'a.tar', 'w') as tar:
        info = tarfile.TarInfo('top/a.txt')
        info.type, info.linkname = kind, '/etc/passwd'
        tar.addfile(info)
    with pytest.raises(ValueError, match='is a link or a device'):
        Archive(tmp_path / 'a.tar').unpack(tmp_path / 'out', below_top)


def test_link_in_a_zip_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / 'a.zip', 'w') as archive:
        info = zipfile.ZipInfo('top/a.txt')
        info.external_attr = 0o120777 << 16
        archive.writestr(info, '/etc/passwd')
    with pytest.raises(ValueError, match='is a link or a device'):
        Archive(tmp_path / 'a.zip').unpack(tmp_path / 'out', below_top)


def test_full_disk_is_known_before_anything_is_written(archive, tmp_path, monkeypatch):
    usage = namedtuple('usage', 'free')
    monkeypatch.setattr('shutil.disk_usage', lambda _: usage(449))
    with pytest.raises(OSError, match='nothing was unpacked; make room'):
        Archive(archive).unpack(tmp_path / 'out', below_top)
    assert tree(tmp_path / 'out') == {}
    monkeypatch.setattr('shutil.disk_usage', lambda _: usage(450))
    assert Archive(archive).unpack(tmp_path / 'out', below_top) == 2


def test_archive_of_something_else_is_told(archive, tmp_path):
    with pytest.raises(ValueError, match='none of the files'):
        Archive(archive).unpack(tmp_path / 'out', lambda name: None)
