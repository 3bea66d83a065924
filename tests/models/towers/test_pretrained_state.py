import math

import pytest
import torch
from safetensors.torch import save_file

from m2ist_mm.checkpoints import save_state_file
from m2ist_mm.models.towers import load_pretrained_state

STATE = {'weight': torch.arange(3.0)}


def test_url_is_fetched(tmp_path, monkeypatch):
    save_state_file(STATE, str(tmp_path / 'model.pth'))
    path = 'm2ist_mm.checkpoints.fetched_file.fetch'
    monkeypatch.setattr(path, lambda url: str(tmp_path / url.rpartition('/')[2]))
    state = load_pretrained_state('https://host/model.pth')
    assert torch.equal(state['weight'], STATE['weight'])


def test_safetensors_are_read(tmp_path):
    save_file(STATE, tmp_path / 'model.safetensors')
    for path in (tmp_path, tmp_path / 'model.safetensors'):
        assert torch.equal(load_pretrained_state(str(path))['weight'], STATE['weight'])
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
