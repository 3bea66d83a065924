"""Reads an uploaded image."""

from pathlib import Path

import numpy as np

from ..datasets.image_reader import image_to_array, naming, open_image


def read_upload(path: str | Path, max_pixels: int) -> np.ndarray:
    """Read an uploaded image as :func:`.read_image` does.

    Args:
        path: The upload.
        max_pixels: Most pixels; images of more are not decoded.

    Returns:
        (H, W, 3) uint8, BGR.

    Raises:
        ValueError: It is too large or cannot be read. Names the file, without its
            folder on the server.
        FileNotFoundError: It was deleted before its turn came: it waited too long.
    """
    path = Path(path)
    name = f'"{path.name}"'
    try:
        file = path.open('rb')
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f'{name} was deleted before its turn came: upload it again.'
        ) from error
    with file:
        with naming(name):
            image = open_image(file)
        width, height = image.size
        if width * height > max_pixels:
            raise ValueError(
                f'{name} has {width}x{height} pixels, and at most '
                f'{max_pixels / 1e6:g} million are taken: make it smaller.'
            )
        with naming(name):
            return image_to_array(image)
