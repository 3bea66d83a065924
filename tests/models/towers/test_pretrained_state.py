import functools
import http.server
import math
import threading

import pytest
import torch
from safetensors.torch import save_file

from m2ist_mm.checkpoints import file_sha256, save_state_file
from m2ist_mm.models.towers import load_pretrained_state

STATE = {'weight': torch.arange(3.0)}


@pytest.fixture
def zoo(tmp_path, monkeypatch):
    """A server of a folder, and torch hub's folder apart from the user's."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            asked.append(self.path)

    asked = []
    folder = tmp_path / 'served'
    folder.mkdir()
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'home'))
    monkeypatch.setattr('torch.hub._hub_dir', None)
    handler = functools.partial(Quiet, directory=str(folder))
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f'http://127.0.0.1:{server.server_address[1]}'
    yield folder, url, asked
    server.shutdown()
    server.server_close()


def serve(zoo, name='model-{hash}.pth'):
    folder, url, _ = zoo
    path = folder / 'model.pth'
    save_state_file(STATE, str(path))
    name = name.format(hash=file_sha256(path)[:8])
    path.rename(folder / name)
    return f'{url}/{name}'


def test_url_is_fetched_once_and_its_hash_checked(zoo, tmp_path):
    url = serve(zoo)
    for _ in range(2):
        assert torch.equal(load_pretrained_state(url)['weight'], STATE['weight'])
    assert len(zoo[2]) == 1
    (kept,) = (tmp_path / 'home').rglob('*.pth')
    kept.write_bytes(kept.read_bytes() + b'x')
    with pytest.raises(ValueError, match='damaged; delete it'):
        load_pretrained_state(url)


def test_file_of_another_hash_is_refused(zoo):
    url = serve(zoo, 'model-0123abcd.pth')
    with pytest.raises(ValueError, match=r'not the sha256 that its name says \(0123ab'):
        load_pretrained_state(url)


@pytest.mark.parametrize('name', ['yolox_nano.pth', 'model-a.pth'])
def test_name_without_a_hash_is_not_checked(zoo, name):
    assert load_pretrained_state(serve(zoo, name)).keys() == {'weight'}


@pytest.mark.parametrize('url', ['http://127.0.0.1:9/a-0123abcd.pth', '{zoo}/none.pth'])
def test_unreachable_url_gets_one_line(zoo, url):
    url = url.format(zoo=zoo[1])
    with pytest.raises(FileNotFoundError) as error:
        load_pretrained_state(url)
    text = str(error.value)
    assert text.startswith(f'{url} cannot be fetched (') and '\n' not in text
    assert 'home/hub/checkpoints' in text


def test_folder_of_transformers_is_read(tmp_path):
    save_file(STATE, tmp_path / 'model.safetensors')
    assert torch.equal(load_pretrained_state(str(tmp_path))['weight'], STATE['weight'])
    save_file(dict(weight=STATE['weight'] * math.nan), tmp_path / 'model.safetensors')
    with pytest.raises(ValueError, match=r'model.safetensors has 1 weights .* finite'):
        load_pretrained_state(str(tmp_path))
    (tmp_path / 'model.safetensors').write_bytes(b'no tensors')
    with pytest.raises(ValueError, match='cannot be read as a checkpoint'):
        load_pretrained_state(str(tmp_path))
    with pytest.raises(
        FileNotFoundError, match=r'nothing.*model\.safetensors|no check'
    ):
        (tmp_path / 'nothing').mkdir()
        load_pretrained_state(str(tmp_path / 'nothing'))


def test_hub_name_is_asked_for_at_the_hub(tmp_path, monkeypatch):
    asked = []

    def download(repository, name, revision):
        asked.append((repository, name, revision))
        save_file(STATE, tmp_path / name)
        return str(tmp_path / name)

    path = 'm2ist_mm.models.towers.pretrained_state.hf_hub_download'
    monkeypatch.setattr(path, download)
    assert load_pretrained_state('facebook/detr-resnet-50@no_timm').keys() == {'weight'}
    assert asked == [('facebook/detr-resnet-50', 'model.safetensors', 'no_timm')]


def test_unreachable_hub_gets_one_line(no_hub):
    with pytest.raises(FileNotFoundError) as error:
        load_pretrained_state('facebook/detr-resnet-9999')
    text = str(error.value)
    assert text.startswith("'facebook/detr-resnet-9999' is no file, and could not")
    assert '\n' not in text
