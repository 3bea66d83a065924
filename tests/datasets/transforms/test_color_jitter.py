import mmcv
import numpy as np
import pytest
from PIL import Image, ImageEnhance

from m2ist_mm.datasets import ColorJitter


@pytest.fixture
def img():
    return np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.uint8)


@pytest.mark.parametrize('seed', range(6))
def test_changes_are_those_of_pillow(img, seed):
    np.random.seed(seed)
    jittered = ColorJitter(0.4)(dict(img=img.copy()))['img']

    np.random.seed(seed)
    enhancers = (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)
    image = Image.fromarray(np.ascontiguousarray(img[..., ::-1]))
    for index in np.random.permutation(3):
        image = enhancers[index](image).enhance(np.random.uniform(0.6, 1.4))
    expected = np.asarray(image)[..., ::-1]

    assert jittered.dtype == np.uint8
    assert jittered.shape == img.shape
    assert np.abs(jittered.astype(int) - expected).max() <= 3  # of 255: rounding


@pytest.mark.parametrize('seed', range(30))
def test_changes_are_bit_for_bit_those_of_mmcv(seed):
    generator = np.random.default_rng(seed)
    low = int(generator.integers(0, 200))
    size = (*generator.integers(1, 50, 2), 3)
    img = generator.integers(low, 256, size).astype(np.uint8)
    np.random.seed(seed)
    jittered = ColorJitter(0.4)(dict(img=img.copy()))['img']

    np.random.seed(seed)
    changes = (mmcv.adjust_brightness, mmcv.adjust_contrast, mmcv.adjust_color)
    expected = img
    for index in np.random.permutation(3):
        expected = changes[index](expected, np.random.uniform(0.6, 1.4))
    assert np.array_equal(jittered, expected)


def test_order_is_random(img):
    orders = set()
    for seed in range(40):
        np.random.seed(seed)
        orders.add(tuple(np.random.permutation(3)))
    assert len(orders) == 6
    results = set()
    for seed in range(40):
        np.random.seed(seed)
        results.add(ColorJitter(0.4)(dict(img=img.copy()))['img'].tobytes())
    assert len(results) == 40


def test_strength_0_changes_nothing(img):
    jittered = ColorJitter(0)(dict(img=img.copy()))['img']
    assert np.abs(jittered.astype(int) - img).max() <= 1


def test_impossible_strength_is_refused():
    with pytest.raises(ValueError, match='strength'):
        ColorJitter(1.5)
