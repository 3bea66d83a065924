import os
import socket
import subprocess
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from m2ist_mm.datasets import LoadRECImage
from m2ist_mm.datasets.image_reader import image_to_array, read_image
from m2ist_mm.datasets.image_size import read_image_size

ORIENTATION = 0x0112
TURNED_FORMATS = ['a.jpg', 'a.png', 'a.tif', 'a.avif', 'a.webp']
# what has to be done with a stored image so that it stands upright
UPRIGHT = {
    1: lambda image: image,
    2: lambda image: image[:, ::-1],
    3: lambda image: image[::-1, ::-1],
    4: lambda image: image[::-1],
    5: lambda image: image.transpose(1, 0, 2),
    6: lambda image: np.rot90(image, -1),
    7: lambda image: np.rot90(image, 2).transpose(1, 0, 2),
    8: lambda image: np.rot90(image),
}


def quadrants(width=48, height=32):
    """An image with another colour in each quarter; RGB."""
    image = np.zeros((height, width, 3), np.uint8)
    image[: height // 2, : width // 2] = (250, 10, 10)
    image[: height // 2, width // 2 :] = (10, 250, 10)
    image[height // 2 :, : width // 2] = (10, 10, 250)
    image[height // 2 :, width // 2 :] = (240, 240, 240)
    return image


def close(image, expected, tolerance=40):
    """Whether BGR and RGB are alike but for the blurred edges of the quarters."""
    difference = np.abs(image[..., ::-1].astype(int) - expected).max(-1)
    return (difference > tolerance).mean() < 0.1


def png_chunk(name, content):
    length, check = len(content), zlib.crc32(name + content)
    return length.to_bytes(4, 'big') + name + content + check.to_bytes(4, 'big')


@pytest.mark.parametrize('name', TURNED_FORMATS)
@pytest.mark.parametrize('orientation', range(1, 9))
def test_image_stands_upright_and_the_header_says_so(tmp_path, name, orientation):
    path = tmp_path / name
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    Image.fromarray(quadrants()).save(path, exif=exif)
    image = read_image(path)
    expected = UPRIGHT[orientation](quadrants())
    assert image.shape == expected.shape
    assert close(image, expected)
    assert read_image_size(path) == image.shape[1::-1]


@pytest.mark.parametrize('compression', ['raw', 'tiff_lzw', 'jpeg'])
def test_compressed_tiff_is_turned_once(tmp_path, compression):
    path = tmp_path / 'a.tif'
    Image.fromarray(quadrants()).save(
        path, compression=compression, tiffinfo={ORIENTATION: 6}
    )
    assert close(read_image(path), UPRIGHT[6](quadrants()))
    assert read_image_size(path) == (32, 48)


def test_orientation_behind_the_pixels_of_a_png_counts(tmp_path):
    path = tmp_path / 'a.png'
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    Image.fromarray(quadrants()).save(path)
    content = path.read_bytes()
    end = content.index(b'IEND') - 4
    late = png_chunk(b'eXIf', exif.tobytes().removeprefix(b'Exif\x00\x00'))
    path.write_bytes(content[:end] + late + content[end:])
    assert close(read_image(path), UPRIGHT[6](quadrants()))
    assert read_image_size(path) == (32, 48)


@pytest.mark.parametrize('name', ['a.png', 'a.tif', 'a.pgm'])
def test_16_bit_grey_is_scaled(tmp_path, name):
    path = tmp_path / name
    levels = np.array([[0, 257, 300, 32768, 65535, 1000]], np.uint16).repeat(9, 0)
    if name == 'a.pgm':
        path.write_bytes(b'P5 6 9 65535\n' + levels.astype('>u2').tobytes())
    else:
        cv2.imwrite(str(path), levels)
    image = read_image(path)
    assert image.dtype == np.uint8
    expected = (levels / 257).round()
    for channel in range(3):
        assert np.array_equal(image[..., channel], expected)


def test_16_bit_colours_are_within_one_level(tmp_path):
    path = tmp_path / 'a.png'
    levels = np.random.default_rng(0).integers(0, 65536, (9, 7, 3)).astype(np.uint16)
    cv2.imwrite(str(path), levels)
    assert np.abs(read_image(path) - levels / 257).max() <= 1


@pytest.mark.parametrize(
    ('pixels', 'kind'),
    [
        (np.ones((4, 5), np.float32), 'floating-point'),
        (np.full((4, 5), 70000, np.int32), '32-bit'),
    ],
)
def test_pixels_of_unknown_range_are_refused(tmp_path, pixels, kind):
    path = tmp_path / 'a.tif'
    Image.fromarray(pixels).save(path)
    with pytest.raises(ValueError, match=f'a.tif cannot be read .* {kind}'):
        read_image(path)


def test_image_without_pixels_is_refused():
    with pytest.raises(ValueError, match='an image of 4 x 0 pixels is none'):
        image_to_array(Image.new('RGB', (4, 0)))


@pytest.mark.parametrize('mode', ['RGBA', 'LA', 'P', 'RGB', 'L'])
def test_transparent_pixels_are_laid_on_white(tmp_path, mode):
    path = tmp_path / 'a.png'
    if mode in ('RGBA', 'LA'):
        image = Image.new(mode, (4, 3), (40,) * (len(mode) - 1) + (0,))
        image.putpixel((0, 0), (40,) * (len(mode) - 1) + (255,))
        image.putpixel((1, 0), (40,) * (len(mode) - 1) + (51,))
        image.save(path)
    else:  # a colour that stands for nothing
        image = Image.new('L', (4, 3), 7).convert(mode)
        image.putpixel((0, 0), 40 if mode in 'LP' else (40, 40, 40))
        nothing = image.getpixel((2, 2))
        image.save(path, transparency=nothing)
    pixels = read_image(path)
    assert (pixels[1:] == 255).all()
    assert (pixels[0, 0] == 40).all()
    if mode in ('RGBA', 'LA'):
        assert (pixels[0, 1] == 212).all()  # a fifth of 40, four of 255


@pytest.mark.parametrize('name', ['a.gif', 'a.webp', 'a.png', 'a.avif', 'a.tif'])
def test_first_frame_of_an_animation_counts(tmp_path, name):
    path = tmp_path / name
    frames = [Image.new('RGB', (32, 32), color) for color in ('red', 'lime', 'blue')]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=100)
    image = read_image(path).astype(int)
    assert np.abs(image - (0, 0, 255)).max() < 10
    assert read_image_size(path) == (32, 32)


def test_cmyk_is_converted(tmp_path):
    path = tmp_path / 'a.jpg'
    Image.new('RGB', (32, 32), (200, 30, 60)).convert('CMYK').save(path)
    assert np.abs(read_image(path).astype(int) - (60, 30, 200)).max() < 10


@pytest.mark.parametrize('read', [read_image, read_image_size])
def test_ghostscript_and_other_formats_never_see_a_file(tmp_path, monkeypatch, read):
    def run(*args, **kwargs):
        raise AssertionError('a program was started')

    monkeypatch.setattr(subprocess, 'Popen', run)
    path = tmp_path / 'a.jpg'
    Image.new('RGB', (8, 8)).save(path, format='EPS')
    with pytest.raises(ValueError, match='a.jpg .* none of the formats JPEG, PNG'):
        read(path)
    Image.new('RGB', (8, 8)).save(path, format='TGA')
    with pytest.raises(ValueError, match='a.jpg .* none of the formats'):
        read(path)


@pytest.mark.parametrize('read', [read_image, read_image_size])
def test_decompression_bomb_is_refused(tmp_path, read):
    size = (50_000).to_bytes(4, 'big')
    path = tmp_path / 'a.png'
    path.write_bytes(
        b'\x89PNG\r\n\x1a\n'
        + png_chunk(b'IHDR', size + size + bytes([8, 2, 0, 0, 0]))
        + png_chunk(b'IDAT', zlib.compress(bytes(1000)))
        + png_chunk(b'IEND', b'')
    )
    with pytest.raises(ValueError, match='a.png cannot be read .*2500000000 pixels'):
        read(path)


@pytest.mark.parametrize('read', [read_image, read_image_size])
def test_pipes_and_devices_are_refused(tmp_path, read):
    os.mkfifo(tmp_path / 'pipe.jpg')
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(tmp_path / 'socket.jpg'))
    for path in (tmp_path / 'pipe.jpg', tmp_path / 'socket.jpg', '/dev/zero', tmp_path):
        with pytest.raises(ValueError, match=f'{path} .* no ordinary file'):
            read(path)
    server.close()


@pytest.mark.parametrize('read', [read_image, read_image_size])
def test_missing_and_broken_images_are_named(tmp_path, read):
    with pytest.raises(FileNotFoundError, match=r'there is no image .*a\.jpg'):
        read(tmp_path / 'a.jpg')
    (tmp_path / 'a.jpg').write_bytes(b'no image')
    with pytest.raises(ValueError, match=r'a\.jpg cannot be read as an image'):
        read(tmp_path / 'a.jpg')


def test_truncated_image_is_refused(tmp_path):
    path = tmp_path / 'a.jpg'
    Image.effect_noise((300, 200), 50).save(path)
    path.write_bytes(path.read_bytes()[:4000])
    with pytest.raises(ValueError, match='a.jpg cannot be read .* truncated'):
        read_image(path)


def test_transform_reads_as_the_function_does(tmp_path):
    path = tmp_path / 'a.png'
    Image.fromarray(quadrants()).save(path)
    results = LoadRECImage()(dict(img_path=str(path)))
    assert np.array_equal(results['img'], read_image(path))
    assert results['img_shape'] == results['ori_shape'] == (32, 48)
