import base64

import cv2
import numpy as np
import pytest

from m2ist_mm.report import encode_image


def decode(uri):
    prefix = 'data:image/jpeg;base64,'
    assert uri.startswith(prefix)
    data = np.frombuffer(base64.b64decode(uri.removeprefix(prefix)), np.uint8)
    return cv2.imdecode(data, cv2.IMREAD_COLOR)


@pytest.mark.parametrize(
    ('size', 'encoded'),
    [((100, 50), (100, 50)), ((2000, 1000), (200, 100)), ((5000, 1), (200, 1))],
)
def test_large_images_are_reduced_and_small_ones_kept(size, encoded):
    uri = encode_image(np.zeros((*size, 3), np.uint8), max_side=200)
    assert decode(uri).shape[:2] == encoded


def test_channels_are_rgb():
    image = np.zeros((16, 16, 3), np.uint8)
    image[..., 0] = 200
    assert np.allclose(decode(encode_image(image)), (0, 0, 200), atol=8)


@pytest.mark.parametrize(
    'image',
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 3)),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
    ],
)
def test_what_is_no_rgb_image_is_refused(image):
    with pytest.raises(ValueError, match='an image of shape'):
        encode_image(image)
