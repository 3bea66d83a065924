import ast
import sys

import cv2
import numpy as np
import pytest
import torch
from mmdet.registry import TRANSFORMS
from PIL import Image

from m2ist_mm.datasets.image_reader import read_image
from m2ist_mm.standalone import predict
from m2ist_mm.standalone.predict import (
    MAX_CHARACTERS,
    Placed,
    place,
    read_rgb,
    read_texts,
    resize,
)
from m2ist_mm.structures import Placement

CANVAS = (128, 96)
PLACEMENT = dict(canvas=CANVAS, resize=CANVAS[::-1])
INVISIBLE = '\0', '\u200b\ufeff', '\u3164', '\u115f\u1160', '\uffa0', '\u2800'


def noise(height, width):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def test_the_file_imports_nothing_but_what_its_folder_needs():
    with open(predict.__file__, encoding='utf-8') as file:
        tree = ast.parse(file.read())
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition('.')[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level
            names.add(node.module.partition('.')[0])
    assert names - sys.stdlib_module_names == {
        'numpy',
        'onnxruntime',
        'PIL',
        'tokenizers',
    }


@pytest.mark.parametrize(
    ('old', 'new'),
    [
        ((480, 640), (216, 288)),
        ((375, 500), (216, 288)),
        ((576, 576), (288, 288)),  # by exactly 2, where OpenCV averages four pixels
        ((37, 53), (200, 288)),
        ((64, 48), (64, 48)),
        ((1000, 37), (288, 11)),
        ((1, 500), (1, 64)),
        ((3, 2), (640, 427)),
        ((5, 1000), (3, 577)),
        ((1, 1), (9, 9)),
    ],
)
def test_resizing_is_opencv_s(old, new):
    image = noise(*old)
    expected = cv2.resize(image, new[::-1], interpolation=cv2.INTER_LINEAR)
    found = resize(image, *new[::-1])
    assert found.dtype == np.uint8
    difference = np.abs(found.astype(int) - expected)
    # the same in every pixel where it was tried; vectorised code may round otherwise
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.01


@pytest.mark.parametrize(
    'shape', [(60, 160), (300, 100), (128, 96), (7, 5), (96, 128), (200, 200), (90, 1)]
)
def test_image_lies_where_the_test_pipeline_puts_it(shape):
    steps = [
        dict(type='ResizeToFit', scale=CANVAS[::-1]),
        dict(type='PadToCanvas', size=CANVAS[::-1], position='center'),
    ]
    image = noise(*shape)
    results = dict(img=image, img_shape=shape, ori_shape=shape)
    for step in steps:
        results = TRANSFORMS.build(step)(results)
    placement = Placement.read(results)
    placed = place(image, PLACEMENT)
    assert placed.region == placement.region
    assert placed.size == shape[::-1]
    assert np.abs(placed.pixels.astype(int) - results['img']).max() <= 1
    boxes = np.random.default_rng(0).random((9, 4), np.float32)
    centre, half = boxes[:, :2], boxes[:, 2:] / 2
    corners = torch.from_numpy(np.hstack([centre - half, centre + half]))
    expected = placement.to_image(corners * torch.tensor(CANVAS[::-1] * 2), clip=True)
    np.testing.assert_allclose(placed.to_image(boxes), expected.numpy(), atol=1e-3)


def test_image_keeps_its_size_where_the_pipeline_does_not_resize():
    placed = place(noise(50, 61), dict(canvas=CANVAS, resize=None))
    assert placed.region == (17, 39, 78, 89)
    assert np.array_equal(placed.pixels[39:89, 17:78], noise(50, 61))
    assert placed.pixels.sum() == noise(50, 61).sum()


@pytest.mark.parametrize(
    ('shape', 'resize', 'reason'),
    [
        ((129, 20), None, 'does not fit the canvas of 96x128 pixels; make it smaller'),
        ((20, 97), None, 'does not fit the canvas of 96x128 pixels; make it smaller'),
        ((5000, 1), CANVAS, 'fit 128x96 pixels, nothing is left of its width; crop it'),
        ((1, 5000), CANVAS, 'nothing is left of its height; crop it'),
    ],
)
def test_image_that_does_not_fit_is_refused(shape, resize, reason):
    with pytest.raises(ValueError, match=reason):
        place(noise(*shape), dict(canvas=CANVAS, resize=resize))


def test_boxes_are_clipped_to_the_image():
    placed = Placed(np.zeros((100, 200, 3), np.uint8), (50, 0, 150, 100), (20, 20))
    boxes = np.float32([[0.5, 0.5, 1, 1], [0.5, 0.5, 0.25, 0.5]])
    assert placed.to_image(boxes).tolist() == [[0, 0, 20, 20], [5, 5, 15, 15]]


@pytest.mark.parametrize('kind', ['exif', '16 bit', 'alpha', 'palette', 'cmyk', 'grey'])
def test_files_are_read_as_by_the_package(kind, tmp_path):
    image = Image.fromarray(noise(20, 30))
    path, options = tmp_path / 'image.png', {}
    if kind == 'exif':
        path = tmp_path / 'image.jpg'
        options['exif'] = exif = Image.Exif()
        exif[0x0112] = 6  # turned by 90 degrees
    elif kind == '16 bit':
        levels = np.linspace(0, 65535, 600).astype(np.uint16)
        image = Image.fromarray(levels.reshape(20, 30))
    elif kind == 'alpha':
        image.putalpha(Image.fromarray(noise(20, 30)[..., 0]))
    elif kind == 'palette':
        image, options = image.quantize(16), dict(transparency=3)
    elif kind == 'cmyk':
        image, path = image.convert('CMYK'), tmp_path / 'image.tif'
    else:
        image = image.convert('L')
    image.save(path, **options)
    found = read_rgb(path)
    assert found.shape == ((30, 20, 3) if kind == 'exif' else (20, 30, 3))
    assert np.array_equal(found[..., ::-1], read_image(path))


def test_texts_are_read_without_blanks_around():
    assert read_texts([' left one ', '\u200b.', '日本の犬']) == [
        'left one',
        '\u200b.',
        '日本の犬',
    ]
    assert read_texts(('a' * MAX_CHARACTERS,)) == ['a' * MAX_CHARACTERS]


@pytest.mark.parametrize(
    ('texts', 'reason'),
    [
        ([], 'an expression is empty: say in words'),
        (['a', ' '], 'an expression is empty: say in words'),
        *((['a', text], 'no visible character: say in words') for text in INVISIBLE),
        (['left \udcff'], r"'left \\udcff' has half of a surrogate pair"),
        (['a' * (MAX_CHARACTERS + 1)], '1001 characters, and at most 1000 .*: aaaa'),
        (['a', None], 'an expression must be text, not NoneType'),
        ([1], 'an expression must be text, not int'),
        (b'a man', 'texts are an expression or a list of them, not bytes'),
        (5, 'texts are an expression or a list of them, not int'),
    ],
)
def test_text_that_cannot_be_asked_is_refused(texts, reason):
    with pytest.raises(ValueError, match=reason):
        read_texts(texts)
