"""Images as JPEG files in memory."""

import io

import numpy as np
import PIL.Image


def to_jpeg(image: np.ndarray) -> bytes:
    """Write an image (H, W, 3) uint8 RGB as a JPEG file."""
    file = io.BytesIO()
    PIL.Image.fromarray(image).save(file, 'JPEG', quality=88)
    return file.getvalue()


def from_jpeg(content: bytes) -> np.ndarray:
    """Read what :func:`to_jpeg` wrote, (H, W, 3) uint8 RGB."""
    return np.asarray(PIL.Image.open(io.BytesIO(content)))
