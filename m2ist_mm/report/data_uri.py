"""Images inside a page."""

import base64

import cv2
import numpy as np

MAX_SIDE = 640  # pixels: sharp on a phone, some 40 to 80 KB
QUALITY = 80  # of JPEG


def encode_image(image: np.ndarray, max_side: int = MAX_SIDE) -> str:
    """Encode an image as a data URI, which an HTML page can show as it is.

    Args:
        image: (H, W, 3) uint8, RGB.
        max_side: A longer side is reduced to so many pixels.

    Returns:
        ``data:image/jpeg;base64,...``

    Raises:
        ValueError: It is no such image.
    """
    image = np.asarray(image)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(
            f'an image of shape {image.shape} and type {image.dtype} cannot be shown; '
            'it must be (height, width, 3), uint8, RGB'
        )
    if not image.size:
        raise ValueError(f'an image of shape {image.shape} has no pixels')
    height, width = image.shape[:2]
    scale = max_side / max(height, width)
    if scale < 1:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    # OpenCV's channel order is BGR
    options = [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
    _, encoded = cv2.imencode('.jpg', image[..., ::-1], options)
    return f'data:image/jpeg;base64,{base64.b64encode(encoded).decode()}'
