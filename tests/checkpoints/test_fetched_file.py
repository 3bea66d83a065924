import functools
import http.server
import threading

import pytest
import torch

from m2ist_mm.checkpoints import file_sha256, load_state_file, save_state_file
from m2ist_mm.checkpoints.fetched_file import load_fetched

STATE = {'weight': torch.arange(3.0)}


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder; of CUT.pth only the first bytes."""

    def log_message(self, *_):
        self.server.asked.append(self.path)

    def copyfile(self, source, outputfile):
        outputfile.write(source.read(100 if 'CUT' in self.path else -1))


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A server of a folder, and torch hub's folder apart from the user's."""
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'home'))
    monkeypatch.setattr('torch.hub._hub_dir', None)
    folder = tmp_path / 'served'
    folder.mkdir()
    handler = functools.partial(Handler, directory=str(folder))
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler)
    server.folder, server.asked = folder, []
    server.url = f'http://127.0.0.1:{server.server_address[1]}'
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def serve(server, name='model-{hash}.pth', state=STATE):
    """Put a checkpoint into the served folder; give its URL."""
    path = server.folder / 'new.pth'
    save_state_file(state, str(path))
    name = name.format(hash=file_sha256(path)[:8])
    (server.folder / name).parent.mkdir(exist_ok=True)
    path.rename(server.folder / name)
    return f'{server.url}/{name}'


def load(url):
    return load_fetched(url, load_state_file)


def kept(tmp_path):
    return [path for path in (tmp_path / 'home').rglob('*') if path.is_file()]


def test_url_is_fetched_once_and_its_hash_checked(server, tmp_path):
    url = serve(server)
    for _ in range(2):
        assert torch.equal(load(url)['weight'], STATE['weight'])
    assert len(server.asked) == 1
    (path,) = kept(tmp_path)
    assert path.name == url.rpartition('/')[2]
    path.write_bytes(path.read_bytes() + b'x')
    with pytest.raises(ValueError, match='damaged; delete it'):
        load(url)


def test_file_of_another_hash_is_refused(server):
    url = serve(server, 'model-0123abcd.pth')
    with pytest.raises(ValueError, match=r'not the sha256 that its name says \(0123ab'):
        load(url)


@pytest.mark.parametrize('name', ['yolox_nano.pth', 'model-a.pth'])
def test_files_of_one_name_without_a_hash_are_told_apart(server, name):
    other = {'weight': STATE['weight'] + 1}
    urls = [serve(server, f'a/{name}'), serve(server, f'b/{name}', other)]
    for _ in range(2):
        for url, state in zip(urls, (STATE, other), strict=True):
            assert torch.equal(load(url)['weight'], state['weight'])
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    'url', ['http://127.0.0.1:9/a-0123abcd.pth', '{server}/no.pth']
)
def test_unreachable_url_gets_one_line(server, tmp_path, url):
    url = url.format(server=server.url)
    with pytest.raises(FileNotFoundError) as error:
        load(url)
    text = str(error.value)
    assert f'.pth could not be downloaded: {url}: ' in text and '\n' not in text
    assert 'may be put at' in text and 'home/hub/checkpoints/' in text
    assert not kept(tmp_path)


def test_cut_download_leaves_nothing(server, tmp_path):
    url = serve(server, 'CUT.pth')
    with pytest.raises(FileNotFoundError, match='cut after 100 of'):
        load(url)
    assert not kept(tmp_path)


def test_page_instead_of_a_checkpoint_says_what_to_delete(server, tmp_path):
    (server.folder / 'page.pth').write_text('<html>log in</html>')
    with pytest.raises(ValueError, match='cannot be read as a checkpoint') as error:
        load(f'{server.url}/page.pth')
    (path,) = kept(tmp_path)
    assert str(error.value).startswith(str(path))
    assert f'fetched from {server.url}/page.pth; delete it' in str(error.value)


@pytest.mark.parametrize('end', ['', '/', '/a/', '/a/..'])
def test_url_without_a_file_is_refused(server, tmp_path, end):
    with pytest.raises(ValueError, match='names no file'):
        load(server.url + end)
    assert not server.asked and not kept(tmp_path)
