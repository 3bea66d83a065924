"""Checks of the images that expressions name."""

import re
from collections.abc import Mapping, Sequence

from mmengine.fileio import exists, isfile
from rich.progress import track

from ..dataset_error import DatasetError
from ..image_reader import read_image
from ..image_size import read_image_size


def find_images(
    expressions: Sequence[dict], folder: str, backend_args: dict | None = None
) -> tuple[set[str], list[str], int]:
    """Look for each image once.

    COCO's images have other names since 2017: where COCO_train2014_000000000009.jpg
    is missing and 000000000009.jpg is there, or the other way round, that one is taken.

    Args:
        expressions (Sequence[dict]): With ``img_path``, which is changed to the file
            that is taken, ``entry`` and optionally ``other_paths``, taken if
            ``img_path`` is not there.
        folder (str): The image folder.
        backend_args (dict, optional): Where mmengine reads it.

    Returns:
        tuple[set[str], list[str], int]: The images that are not there, a fault for
        each, and the number of those found by their other name.

    Raises:
        DatasetError: There is no such folder.
    """
    if not exists(folder, backend_args=backend_args):
        raise DatasetError(
            f'{folder}: no such image folder; check data_root and data_prefix'
        )
    first_entry, taken = {}, {}
    for expression in expressions:
        path = expression['img_path']
        if path not in taken:
            first_entry[path] = expression['entry']
            taken[path] = next(
                (
                    name
                    for name in (
                        path,
                        *expression.get('other_paths', ()),
                        *other_coco_names(path),
                    )
                    if _is_file(name, backend_args)
                ),
                None,
            )
        expression['img_path'] = taken[path] or path
    missing = [path for path, found in taken.items() if found is None]
    faults = [
        f'{path}: no such image, named by {first_entry[path]}; check data_root and '
        f'data_prefix ({len(missing)} of {len(taken)} images are missing)'
        for path in missing
    ]
    renamed = sum(found in other_coco_names(path) for path, found in taken.items())
    return set(missing), faults, renamed


def _is_file(path: str, backend_args: dict | None) -> bool:
    try:
        return isfile(path, backend_args=backend_args)
    except KeyError:  # 'FOLDER/s3://...': MMEngine knows no backend of such a name
        return False


def other_coco_names(path: str) -> list[str]:
    """Say what one of COCO's images may be called as well."""
    found = re.fullmatch(r'(.*[/\\])?(COCO_(?:train|val)2014_)?(\d{12}\.jpg)', path)
    if not found:
        return []
    folder, old, name = found.group(1) or '', found.group(2), found.group(3)
    prefixes = [''] if old else ['COCO_train2014_', 'COCO_val2014_']
    return [f'{folder}{prefix}{name}' for prefix in prefixes]


def check_sizes(
    expressions: Sequence[dict],
    missing: set[str],
    backend_args: dict | None = None,
) -> tuple[set[str], list[str]]:
    """Compare annotated sizes with the images' headers, and add those not annotated.

    Args:
        expressions (Sequence[dict]): With ``img_path``; those without ``width`` and
            ``height`` get them.
        missing (set[str]): Images that are not there.
        backend_args (dict, optional): Where mmengine reads them.

    Returns:
        tuple[set[str], list[str]]: The images that cannot be read or have another size,
        and a fault for each.
    """
    sizes, faults = {}, {}
    for expression in expressions:
        path = expression['img_path']
        if path in missing or path in faults:
            continue
        if path not in sizes:
            try:
                sizes[path] = read_image_size(path, backend_args)
            except (OSError, ValueError) as error:
                faults[path] = str(error)
                continue
        width, height = sizes[path]
        annotated = (
            expression.setdefault('width', width),
            expression.setdefault('height', height),
        )
        if annotated != (width, height):
            faults[path] = _wrong_size(path, (width, height), annotated)
    return set(faults), list(faults.values())


def _wrong_size(path: str, size: tuple[int, int], annotated: tuple[int, int]) -> str:
    return (
        f'{path}: is {size[0]}x{size[1]} pixels, and {annotated[0]}x{annotated[1]} in '
        'the annotations'
    )


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
    for path, annotated in track(sizes.items(), 'decoding the images'):
        try:
            image = read_image(path, backend_args)
        except (OSError, ValueError) as error:
            faults.append(str(error))
        else:
            size = image.shape[1], image.shape[0]
            if annotated[0] is not None and size != annotated:
                faults.append(_wrong_size(path, size, annotated))
    return faults
