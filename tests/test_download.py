import os
import re
from collections import namedtuple
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from m2ist_mm.download import download

CONTENT = bytes(range(256)) * 40


class Handler(SimpleHTTPRequestHandler):
    """Serves CONTENT, with or without ranges, cut where a test says so."""

    def do_GET(self):  # noqa: N802
        self.server.asked.append(self.headers.get('Range'))
        if self.path != '/file.zip':
            return self.send_error(404)
        start = 0
        wanted = re.fullmatch(r'bytes=(\d+)-', self.headers.get('Range', ''))
        if wanted and self.server.ranges:
            start = int(wanted[1])
            if start >= len(CONTENT):
                self.send_response(416)
                self.send_header('Content-Range', f'bytes */{len(CONTENT)}')
                self.send_header('Content-Length', '0')
                return self.end_headers()
            self.send_response(206)
        else:
            self.send_response(200)
        self.send_header('Content-Length', str(len(CONTENT) - start))
        self.end_headers()
        self.wfile.write(CONTENT[start : self.server.cut])

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    server = ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    server.ranges, server.cut, server.asked = True, None, []
    server.url = f'http://127.0.0.1:{server.server_port}/file.zip'
    thread = Thread(target=partial(server.serve_forever, poll_interval=0.01))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_fetches_a_file(server, tmp_path):
    download([server.url], tmp_path / 'new' / 'file.zip')
    assert (tmp_path / 'new' / 'file.zip').read_bytes() == CONTENT
    assert os.listdir(tmp_path / 'new') == ['file.zip']


def test_goes_on_where_it_was_cut(server, tmp_path):
    server.cut = 4000
    with pytest.raises(OSError, match='cut after 4000 of 10240 bytes; run again'):
        download([server.url], tmp_path / 'file.zip')
    assert os.listdir(tmp_path) == ['file.zip.partial']
    server.cut = None
    download([server.url], tmp_path / 'file.zip')
    assert (tmp_path / 'file.zip').read_bytes() == CONTENT
    assert server.asked == [None, 'bytes=4000-']


def test_starts_anew_where_the_server_knows_no_ranges(server, tmp_path):
    server.ranges = False
    (tmp_path / 'file.zip.partial').write_bytes(b'something else')
    download([server.url], tmp_path / 'file.zip')
    assert (tmp_path / 'file.zip').read_bytes() == CONTENT


def test_finishes_what_was_cut_before_the_renaming(server, tmp_path):
    (tmp_path / 'file.zip.partial').write_bytes(CONTENT)
    download([server.url], tmp_path / 'file.zip')
    assert (tmp_path / 'file.zip').read_bytes() == CONTENT


def test_takes_the_next_address_and_names_all_that_failed(server, tmp_path):
    wrong = server.url.replace('file', 'nothing')
    download([wrong, server.url], tmp_path / 'file.zip')
    assert (tmp_path / 'file.zip').read_bytes() == CONTENT
    with pytest.raises(OSError, match=f'other.zip could not.*{wrong}: HTTP Error 404'):
        download([wrong], tmp_path / 'other.zip')


def test_full_disk_is_known_before_the_download(server, tmp_path, monkeypatch):
    usage = namedtuple('usage', 'free')
    monkeypatch.setattr('shutil.disk_usage', lambda _: usage(10))
    with pytest.raises(OSError, match='GB free'):
        download([server.url], tmp_path / 'file.zip')
    assert os.listdir(tmp_path) == []
