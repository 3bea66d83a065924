"""Reads the size of an image without decoding its pixels."""

import os
from pathlib import Path
from typing import BinaryIO

from mmengine.fileio import get_local_path
from PIL import ExifTags, Image

from .image_reader import naming, open_image

_TURNED = (5, 6, 7, 8)  # by 90 degrees, mirrored or not
_TIFF_SIZE = (256, 257)  # tags of width and height as they are stored


def read_image_size(
    path: str | Path, backend_args: dict | None = None
) -> tuple[int, int]:
    """Read an image's size from its header.

    Args:
        path: The image.
        backend_args: Where mmengine reads it.

    Returns:
        Width and height in pixels as :func:`.read_image` decodes it.

    Raises:
        FileNotFoundError: It is missing.
        ValueError: It is no image. Names the file.
    """
    with (
        naming(path),
        get_local_path(str(path), backend_args=backend_args) as local_path,
        open(local_path, 'rb') as file,
    ):
        image = open_image(file)
        width, height = image.size
        if image.format == 'TIFF':  # newer versions of Pillow have swapped them
            width, height = (image.tag_v2[tag] for tag in _TIFF_SIZE)
        if image.format == 'PNG' and _has_chunk(file, b'eXIf'):
            exif = image.getexif()  # decodes the image: the chunk may stand behind
        else:
            exif = Image.Image.getexif(image)
        turned = exif.get(ExifTags.Base.Orientation) in _TURNED
    return (height, width) if turned else (width, height)


def _has_chunk(file: BinaryIO, name: bytes) -> bool:
    """Whether a PNG file has a chunk; its other chunks are passed over unread."""
    start = file.tell()
    file.seek(8)
    found = False
    while not found and len(head := file.read(8)) == 8:
        found = head[4:] == name
        file.seek(int.from_bytes(head[:4], 'big') + 4, os.SEEK_CUR)
    file.seek(start)
    return found
