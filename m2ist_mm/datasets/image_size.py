"""An image's size without its pixels."""

from mmengine.fileio import get_local_path
from PIL import Image

_ORIENTATION = 0x0112
_TURNED = (5, 6, 7, 8)  # by 90 degrees, mirrored or not


def read_image_size(path: str, backend_args: dict | None = None) -> tuple[int, int]:
    """Read an image's size from its header.

    Args:
        path (str): The image.
        backend_args (dict, optional): Where mmengine reads it.

    Returns:
        tuple[int, int]: Width and height in pixels as it is decoded: upright, as its
        EXIF orientation says.

    Raises:
        OSError: It is missing or no image.
    """
    with (
        get_local_path(path, backend_args=backend_args) as local_path,
        Image.open(local_path) as image,
    ):
        width, height = image.size
        # the base class's: that of PNG decodes all pixels to look behind them
        turned = Image.Image.getexif(image).get(_ORIENTATION) in _TURNED
    return (height, width) if turned else (width, height)
