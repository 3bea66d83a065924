"""Checks of the images that expressions name."""

from collections.abc import Mapping, Sequence

import mmcv
from mmengine.fileio import exists, get
from rich.progress import track

from ..dataset_error import DatasetError
from ..image_size import read_image_size


def find_missing_images(
    expressions: Sequence[dict], folder: str, backend_args: dict | None = None
) -> tuple[set[str], list[str]]:
    """Look for each image once.

    Args:
        expressions (Sequence[dict]): With ``img_path`` and ``entry``.
        folder (str): The image folder.
        backend_args (dict, optional): Where mmengine reads it.

    Returns:
        tuple[set[str], list[str]]: The images that are not there, and a fault for each.

    Raises:
        DatasetError: There is no such folder.
    """
    if not exists(folder, backend_args=backend_args):
        raise DatasetError(
            [f'{folder}: no such image folder; check data_root and data_prefix']
        )
    first_entry = {}
    for expression in expressions:
        first_entry.setdefault(expression['img_path'], expression['entry'])
    missing = {
        path: entry
        for path, entry in first_entry.items()
        if not exists(path, backend_args=backend_args)
    }
    return set(missing), [
        f'{path}: no such image, named by {entry}; check data_root and '
        f'data_prefix ({len(missing)} of {len(first_entry)} images are missing)'
        for path, entry in missing.items()
    ]


def read_sizes(
    expressions: Sequence[dict],
    missing: set[str],
    backend_args: dict | None = None,
) -> tuple[set[str], list[str]]:
    """Add the sizes that the annotations do not have, from the images' headers.

    Args:
        expressions (Sequence[dict]): With ``img_path``; those without ``width`` and
            ``height`` get them.
        missing (set[str]): Images that are not there.
        backend_args (dict, optional): Where mmengine reads them.

    Returns:
        tuple[set[str], list[str]]: The images that cannot be read, and a fault for
        each.
    """
    sizes, broken, faults = {}, set(), []
    for expression in expressions:
        path = expression['img_path']
        if 'width' in expression or path in missing or path in broken:
            continue
        if path not in sizes:
            try:
                sizes[path] = read_image_size(path, backend_args)
            except Exception as error:
                broken.add(path)
                faults.append(f'{path}: broken image: {error}')
                continue
        expression['width'], expression['height'] = sizes[path]
    return broken, faults


def check_decoding(
    sizes: Mapping[str, tuple[int | None, int | None]],
    backend_args: dict | None = None,
) -> list[str]:
    """Decode every image once, with a progress bar.

    Args:
        sizes (Mapping[str, tuple[int | None, int | None]]): Annotated width and height
            of each image, None where they are not known.
        backend_args (dict, optional): Where mmengine reads them.

    Returns:
        list[str]: A fault for each image that is broken, or whose size is not the
        annotated one.
    """
    faults = []
    for path, (width, height) in track(sizes.items(), 'decoding the images'):
        try:
            # Unlike some versions of OpenCV, Pillow refuses a truncated file.
            image = mmcv.imfrombytes(
                get(path, backend_args=backend_args), backend='pillow'
            )
        except Exception as error:
            faults.append(f'{path}: broken image: {error}')
        else:
            if width is not None and image.shape[:2] != (height, width):
                faults.append(
                    f'{path}: is {image.shape[1]}x{image.shape[0]} pixels, '
                    f'and {width}x{height} in the annotations'
                )
    return faults
