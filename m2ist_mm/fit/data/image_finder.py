"""Finds images by what annotation files call them."""

import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from ...datasets.dataset_error import DatasetError
from ...datasets.image_reader import IMAGE_SUFFIXES
from .source import walk


class ImageFinder:
    """Finds images below a folder by what annotation files call them.

    Tools rename what they are given: folders get lost or added, letters change their
    case, blanks become underscores. An image is found by its path, or else by its name
    without these differences; of several such the one whose folders agree most.

    Args:
        folder: Where the images are.
        ignored: A folder in it that is not searched.

    Raises:
        DatasetError: There is no such folder, or no image in it.
    """

    def __init__(self, folder: Path, ignored: Path | None = None) -> None:
        self.folder = folder
        if not folder.is_dir():
            raise DatasetError(f'{folder}: no such image folder; check image_root')
        self._by_name = defaultdict(list)
        for here, names in walk(folder, ignored):
            for name in names:
                if name.lower().endswith(IMAGE_SUFFIXES):
                    self._by_name[_plain(name)].append(here / name)
        if not self._by_name:
            raise DatasetError(
                f'{folder}: no image in it ({", ".join(IMAGE_SUFFIXES)}); name the '
                'folder of the images by image_root'
            )

    def find(self, names: list[str], beside: Path) -> list[Path]:
        """Find an image.

        Args:
            names: What it may be called, the likeliest first.
            beside: The folder of the annotation file.

        Returns:
            The image; nothing where it is missing; several where it might be any.
        """
        for name in names:
            for folder in (self.folder, beside):
                path = folder / name
                try:
                    there = path.is_file()
                except OSError:  # of a name that is too long, as an image in base64 is
                    continue
                if there:
                    return [Path(os.path.normpath(path))]
        for name in names:
            wanted = _parts(name)
            found = self._by_name.get(_plain(wanted[-1]), []) if wanted else []
            agreeing = [_agreement(wanted, path.parts) for path in found]
            best = [
                path
                for path, agrees in zip(found, agreeing, strict=True)
                if agrees == max(agreeing)
            ]
            if best:
                return best
        return []


def names_of_others(names: Iterable[str], path: Path) -> list[str]:
    """Say which of the names that led to an image must be of other images.

    Folders get lost, but ``a/1.jpg`` and ``b/1.jpg`` are two images: where one of them
    is missing, the other must not stand for it.

    Args:
        names: All names that led there.
        path: The image.
    """
    same_end = defaultdict(dict)
    for name in names:
        parts = _parts(name.casefold())
        same_end[parts[-1:]][name] = parts
    file = _parts(str(path).casefold())
    return [
        name
        for group in same_end.values()
        for name, parts in group.items()
        if any(
            _agreement(parts, other) < min(len(parts), len(other))
            and _agreement(parts, file) <= _agreement(other, file)
            for other in group.values()
        )
    ]


def _parts(name: str) -> tuple[str, ...]:
    return PurePosixPath(name.replace('\\', '/')).parts


def _plain(name: str) -> str:
    """Name of a file without what tools change, as Label Studio's uploads do."""
    name = unicodedata.normalize('NFC', name).replace(' ', '_')
    return re.sub(r'[^-\w.]', '', name).casefold()


def _agreement(wanted: tuple[str, ...], parts: tuple[str, ...]) -> int:
    """Count the last parts of two paths that are the same."""
    count = 0
    for one, other in zip(reversed(wanted), reversed(parts), strict=False):
        if one != other:
            break
        count += 1
    return count
