import pytest
from PIL import Image

from m2ist_mm.datasets.image_size import read_image_size


@pytest.mark.parametrize('name', ['a.jpg', 'a.png'])
def test_size_is_width_and_height(tmp_path, name):
    Image.new('RGB', (30, 20)).save(tmp_path / name)
    assert read_image_size(str(tmp_path / name)) == (30, 20)


@pytest.mark.parametrize(
    ('orientation', 'size'),
    [(1, (30, 20)), (3, (30, 20)), (6, (20, 30)), (8, (20, 30))],
)
def test_turned_image_is_measured_upright(tmp_path, orientation, size):
    path = tmp_path / 'a.jpg'
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new('RGB', (30, 20)).save(path, exif=exif)
    assert read_image_size(str(path)) == size


def test_header_is_enough(tmp_path):
    path = tmp_path / 'a.png'
    Image.effect_noise((300, 200), 50).save(path)
    path.write_bytes(path.read_bytes()[:200])
    assert read_image_size(str(path)) == (300, 200)


@pytest.mark.parametrize('content', [None, b'no image'])
def test_what_is_no_image_is_an_error(tmp_path, content):
    path = tmp_path / 'a.jpg'
    if content is not None:
        path.write_bytes(content)
    with pytest.raises((OSError, ValueError), match='a.jpg'):
        read_image_size(str(path))
