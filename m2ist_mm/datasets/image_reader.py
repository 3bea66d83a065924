"""Image reader of training, tests, checks, demo and drawing."""

import io
from pathlib import Path

import cv2
import numpy as np
from mmengine.fileio import get
from PIL import Image

from ..standalone.predict import IMAGE_FORMATS, image_to_rgb, naming, open_image

__all__ = [
    'IMAGE_FORMATS',
    'IMAGE_SUFFIXES',
    'image_to_array',
    'naming',
    'open_image',
    'read_image',
]

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


def read_image(path: str | Path, backend_args: dict | None = None) -> np.ndarray:
    """Read an image as the model gets it, see :func:`image_to_rgb`.

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
    return cv2.cvtColor(image_to_rgb(image), cv2.COLOR_RGB2BGR)
