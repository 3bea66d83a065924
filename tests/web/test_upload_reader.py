import numpy as np
import pytest
from PIL import Image

from m2ist_mm.web.upload_reader import read_upload


def test_upload_is_read_as_in_training(tmp_path):
    image = np.zeros((4, 6, 3), np.uint8)
    image[..., 0] = 200
    Image.fromarray(image).save(tmp_path / 'red.png')
    read = read_upload(tmp_path / 'red.png', 24)
    assert read.shape == (4, 6, 3)
    assert (read == (0, 0, 200)).all()  # BGR


def test_large_image_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    path = tmp_path / 'large.png'
    Image.new('1', (5000, 4000)).save(path)
    monkeypatch.setattr(Image.Image, 'convert', None)
    with pytest.raises(ValueError, match='"large.png" has 5000x4000 pixels, .* 10 mil'):
        read_upload(path, 10_000_000)


@pytest.mark.parametrize('content', [b'', b'no image', b'\x89PNG\r\n\x1a\n\0\0'])
def test_broken_upload_is_one_line_without_the_servers_folder(tmp_path, content):
    path = tmp_path / 'broken.png'
    path.write_bytes(content)
    with pytest.raises(ValueError, match='"broken.png" cannot be read') as caught:
        read_upload(path, 100)
    assert str(tmp_path) not in str(caught.value)
    assert '\n' not in str(caught.value)


def test_upload_that_was_deleted_meanwhile_is_named(tmp_path):
    with pytest.raises(
        FileNotFoundError, match='"gone.png" was deleted before its turn'
    ):
        read_upload(tmp_path / 'gone.png', 100)
