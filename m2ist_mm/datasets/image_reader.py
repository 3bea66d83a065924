"""Image reader of training, tests, checks, demo and drawing."""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
from mmengine.fileio import get
from PIL import Image, ImageOps, UnidentifiedImageError

# All others are refused, above all EPS, which Pillow hands to Ghostscript.
IMAGE_FORMATS = (
    'JPEG',
    'PNG',
    'WEBP',
    'AVIF',
    'BMP',
    'GIF',
    'TIFF',
    'PPM',
    'JPEG2000',
)
IMAGE_SUFFIXES = (
    '.jpg',
    '.jpeg',
    '.png',
    '.webp',
    '.avif',
    '.bmp',
    '.gif',
    '.tif',
    '.tiff',
    '.ppm',
    '.pgm',
    '.jp2',
)
_WITH_ALPHA = ('LA', 'La', 'PA', 'RGBA', 'RGBa')


def read_image(path: str | Path, backend_args: dict | None = None) -> np.ndarray:
    """Read an image as the model gets it.

    Upright, as its EXIF orientation says; of an animation the first frame. 16-bit
    integers are scaled by 1/257, transparent pixels are laid on white, CMYK and other
    colour spaces are converted.

    Args:
        path: The image, of one of ``IMAGE_FORMATS``.
        backend_args: Where mmengine reads it.

    Returns:
        (H, W, 3) uint8, BGR.

    Raises:
        FileNotFoundError: It is missing.
        ValueError: It is none of these formats, broken, of more pixels than Pillow
            takes for an attack, or has pixels of an unknown range. Names the image.
    """
    with naming(path):
        with io.BytesIO(get(str(path), backend_args=backend_args)) as file:
            return image_to_array(open_image(file))


def image_to_array(image: Image.Image) -> np.ndarray:
    """Convert a Pillow image to (H, W, 3) uint8, BGR, as :func:`read_image` does.

    Raises:
        ValueError: Its pixels are floats or 32-bit integers, whose range is unknown.
    """
    source = image.format
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith('I;16') or (
        image.mode == 'I' and source in ('PNG', 'PPM')  # as older versions of Pillow do
    ):
        levels = np.asarray(image).astype(np.uint32)
        grey = ((levels + 128) // 257).astype(np.uint8)
        return cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR)
    if image.mode[0] in 'IF':
        kind = 'floating-point' if image.mode == 'F' else '32-bit'
        raise ValueError(
            f'its pixels are {kind} numbers, whose range is not known; convert it to 8 '
            'or 16 bits'
        )
    if image.mode in _WITH_ALPHA or 'transparency' in image.info:
        image = image.convert('RGBA')
        white = Image.new('RGBA', image.size, 'white')
        image = Image.alpha_composite(white, image)
    return cv2.cvtColor(np.asarray(image.convert('RGB')), cv2.COLOR_RGB2BGR)


def open_image(file: BinaryIO) -> Image.Image:
    """Open an image of one of ``IMAGE_FORMATS``; its pixels are not decoded yet."""
    Image.init()
    # older versions of Pillow have no AVIF
    return Image.open(
        file, formats=[name for name in IMAGE_FORMATS if name in Image.OPEN]
    )


@contextmanager
def naming(path: str | Path) -> Iterator[None]:
    """Name the image in what goes wrong with it.

    Raises:
        FileNotFoundError: It is missing.
        ValueError: It cannot be read, or is a device or a pipe, which may never end.
    """
    if os.path.exists(path) and not os.path.isfile(path):
        raise ValueError(f'{path} cannot be read as an image: it is no ordinary file')
    try:
        yield
    except FileNotFoundError as error:
        raise FileNotFoundError(f'there is no image {path}') from error
    except UnidentifiedImageError as error:
        raise ValueError(
            f'{path} cannot be read as an image: it is none of the formats '
            f'{", ".join(IMAGE_FORMATS)}'
        ) from error
    except Exception as error:
        raise ValueError(f'{path} cannot be read as an image: {error}') from error
