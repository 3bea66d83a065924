"""The programs on little archives in the layout of the published ones."""

import dataclasses
import json
import tarfile
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import cv2
import numpy as np
import pytest
import torch

from m2ist_mm.datasets import PUBLISHED_COUNTS
from m2ist_mm.datasets.preparation import DATA_SETS

TOOL = 'tools/misc/prepare_refcoco.py'


@pytest.fixture
def archives(mini_refcoco, tmp_path, monkeypatch):
    """REFER's and COCO's archive, and the counts of what is in them."""
    folder = tmp_path / 'archives'
    folder.mkdir()
    for name in ('refcoco', 'train2014'):
        with zipfile.ZipFile(folder / f'{name}.zip', 'w') as archive:
            for path in (mini_refcoco / name).iterdir():
                archive.write(path, f'{name}/{path.name}')
    counts = dict(train=12, val=8, testA=4, testB=4)
    monkeypatch.setitem(PUBLISHED_COUNTS, 'refcoco_unc', counts)
    return folder


@pytest.fixture
def prepare(run_tool, tmp_path, capsys):
    def run(*arguments):
        code = run_tool(
            TOOL,
            *arguments,
            *('--archives', tmp_path / 'archives', '--data-root', tmp_path / 'data'),
        )
        captured = capsys.readouterr()
        assert 'Traceback' not in captured.err
        return code, captured.out + captured.err

    return run


def test_says_what_to_put_where(prepare, tmp_path):
    code, text = prepare('refcoco', 'flickr30k')
    assert code == 1
    assert f'missing below {tmp_path}/data: refcoco/refs(unc).p' in text
    assert 'http://images.cocodataset.org/zips/train2014.zip (--download' in text
    assert f'put the archive there as {tmp_path}/archives/data.tar' in text
    assert 'by the form of its page' in text
    assert not (tmp_path / 'data').exists()


def test_unpacks_counts_and_records(prepare, archives, tmp_path):
    code, text = prepare('refcoco')
    assert code == 0, text
    assert 'refcoco: complete: train 12, val 8, testA 4, testB 4' in text
    manifest = json.loads((tmp_path / 'data' / 'prepare.json').read_text())
    assert set(manifest) == {
        'refcoco/refs(unc).p',
        'refcoco/instances.json',
        'train2014/',
    }
    assert manifest['train2014/']['files'] == 7
    for path in archives.iterdir():
        path.unlink()
    code, text = prepare('refcoco')
    assert code == 0
    assert 'unpacking' not in text


def test_later_run_notices_a_changed_file(prepare, archives, tmp_path):
    prepare('refcoco')
    path = tmp_path / 'data' / 'refcoco' / 'instances.json'
    path.write_text(path.read_text() + '\n')
    code, text = prepare('refcoco')
    assert code == 1
    assert f'{path}: has changed since it was found complete' in text


def test_missing_image_is_unpacked_again_or_named(prepare, archives, tmp_path):
    prepare('refcoco')
    (tmp_path / 'data' / 'prepare.json').unlink()
    image = tmp_path / 'data' / 'train2014' / 'COCO_train2014_000000000003.jpg'
    image.unlink()
    assert prepare('refcoco')[0] == 0
    assert image.is_file()
    (tmp_path / 'data' / 'prepare.json').unlink()
    image.unlink()
    (archives / 'train2014.zip').unlink()
    code, text = prepare('refcoco')
    assert code == 1
    assert f'{image}: no such image' in text
    assert not (tmp_path / 'data' / 'prepare.json').exists()


def test_other_count_than_published_is_not_complete(prepare, archives):
    PUBLISHED_COUNTS['refcoco_unc']['testA'] = 5
    code, text = prepare('refcoco')
    assert code == 1
    assert "split 'testA' has 4 expressions, not the 5 it should have" in text
    assert 'refcoco: not complete' in text


def test_truncated_archive_is_one_line(prepare, archives, tmp_path):
    path = archives / 'train2014.zip'
    path.write_bytes(path.read_bytes()[:-100])
    code, text = prepare('refcoco')
    assert code == 1
    (line,) = [line for line in text.splitlines() if 'damaged' in line]
    assert f'{path}: damaged or incomplete archive' in line
    assert not (tmp_path / 'data' / 'train2014').exists()


def test_download_fetches_what_has_an_address(prepare, archives, tmp_path, monkeypatch):
    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    served = archives.rename(tmp_path / 'served')
    server = ThreadingHTTPServer(
        ('127.0.0.1', 0), partial(Handler, directory=str(served))
    )
    thread = Thread(target=partial(server.serve_forever, poll_interval=0.01))
    thread.start()
    base = f'http://127.0.0.1:{server.server_port}'
    dataset = DATA_SETS['refcoco']
    parts = tuple(
        dataclasses.replace(part, urls=(f'{base}/{part.archives[0]}',))
        for part in dataset.parts
    )
    monkeypatch.setitem(DATA_SETS, 'refcoco', dataclasses.replace(dataset, parts=parts))
    try:
        code, text = prepare('refcoco', '--download')
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert code == 0, text
    assert (archives / 'train2014.zip').is_file()


def test_download_that_fails_says_what_to_do_by_hand(prepare, monkeypatch):
    dataset = DATA_SETS['refcoco']
    parts = tuple(
        dataclasses.replace(part, urls=('http://127.0.0.1:9/x.zip',))
        for part in dataset.parts
    )
    monkeypatch.setitem(DATA_SETS, 'refcoco', dataclasses.replace(dataset, parts=parts))
    code, text = prepare('refcoco', '--download')
    assert code == 1
    assert 'refcoco.zip could not be downloaded: http://127.0.0.1:9/x.zip' in text
    assert 'by hand: put the archive there' in text


def test_lists_of_transvg_come_out_of_one_archive(prepare, tmp_path, monkeypatch):
    folder = tmp_path / 'archives'
    (folder / 'images').mkdir(parents=True)
    cv2.imwrite(str(folder / 'images' / '1.jpg'), np.zeros((60, 80, 3), np.uint8))
    row = ('1.jpg', '1.mat', [1, 2, 30, 40], 'the dog', None)
    with tarfile.open(folder / 'data.tar', 'w') as tar:
        for split in ('train', 'val', 'test'):
            torch.save([row], folder / 'rows.pth')
            tar.add(folder / 'rows.pth', f'data/referit/referit_{split}.pth')
    with tarfile.open(folder / 'referitdata.tar.gz', 'w:gz') as tar:
        tar.add(folder / 'images', './images')
    counts = dict(train=1, val=1, test=1)
    monkeypatch.setitem(PUBLISHED_COUNTS, 'referit_berkeley', counts)
    code, text = prepare('referit')
    assert code == 0, text
    assert 'referit: complete: train 1, val 1, test 1' in text
