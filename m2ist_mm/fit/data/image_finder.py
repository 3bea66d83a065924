"""Finds images by what annotation files call them."""

import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from itertools import permutations
from pathlib import Path, PurePosixPath

from ...datasets.checks import other_coco_names
from ...datasets.dataset_error import DatasetError
from ...datasets.formats.label_studio import image_file_names
from ...datasets.image_reader import IMAGE_SUFFIXES
from .source import walk


class ImageFinder:
    """Finds images below a folder by what annotation files call them.

    Tools rename what they are given: folders get lost or added, letters change their
    case, blanks become underscores, brackets get lost. An image is found by its path,
    or else by its name, or else by what a tool makes of its name, never the other way
    round: ``IMG (3).jpg`` is no name of ``IMG_3.jpg``. Of several such images it is the
    one whose folders agree most.

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
        self._by_name, self._by_cleaned = defaultdict(list), defaultdict(list)
        for here, names in walk(folder, ignored):
            for name in names:
                if name.lower().endswith(IMAGE_SUFFIXES):
                    self._by_name[_plain(name)].append(here / name)
                    for cleaned in _cleaned(name):
                        self._by_cleaned[cleaned].append(here / name)
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
            key = _plain(wanted[-1]) if wanted else ''
            found = self._by_name.get(key) or self._by_cleaned.get(key, [])
            agreeing = [_agreement(wanted, path.parts) for path in found]
            best = [
                path
                for path, agrees in zip(found, agreeing, strict=True)
                if agrees == max(agreeing)
            ]
            if best:
                return best
        return []


def names_of_others(names: Iterable[str], path: Path) -> dict[str, str]:
    """Say which of the names that led to an image must be of other images.

    Folders get lost, but ``a/1.jpg`` and ``b/1.jpg`` are two images: where one of them
    is missing, the other must not stand for it. So are two uploads to Label Studio
    whose files had the same name.

    Args:
        names: All names that led there.
        path: The image.

    Returns:
        Each such name, and one of another image that led there as well.
    """
    parts = {name: _parts(_plain(name)) for name in names}
    file, others = _parts(_plain(str(path))), {}
    for name, other in permutations(parts, 2):
        one, two = parts[name], parts[other]
        if _are_two(one, two) and _agreement(one, file) <= _agreement(two, file):
            others.setdefault(name, other)
    return others


def lies_elsewhere(name: str, path: Path, root: Path) -> bool:
    """Whether an image was found in another folder, or by another name, than is said.

    Folders that got lost or added in front, capitals, Label Studio's uploads and COCO's
    two names of an image do not count.

    Args:
        name: What the annotations call it.
        path: The image.
        root: The folder of the images.
    """
    if path.is_relative_to(root):
        path = path.relative_to(root)
    said = tuple(part for part in _parts(_plain(name)) if part != '..')
    return _are_two(said, _parts(_plain(path.as_posix())))


def _are_two(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Whether two paths must be of two images."""
    if one[-1] == other[-1]:
        return _agreement(one, other) < min(len(one), len(other))
    return not any(
        ({*image_file_names(name)} - {name}) & {told, *_cleaned(told)}
        or name in map(str.casefold, other_coco_names(told))
        for name, told in permutations((one[-1], other[-1]))
    )


def _parts(name: str) -> tuple[str, ...]:
    return PurePosixPath(name.replace('\\', '/')).parts


def _plain(name: str) -> str:
    """A name in one case, and in one way of writing accents."""
    return unicodedata.normalize('NFC', name).casefold()


def _cleaned(name: str) -> set[str]:
    """What tools make of a file's name, as Label Studio does of uploads."""
    underscored = _plain(name).replace(' ', '_')
    return {underscored, re.sub(r'[^-\w.]', '', underscored)}


def _agreement(wanted: tuple[str, ...], parts: tuple[str, ...]) -> int:
    """Count the last parts of two paths that are the same."""
    count = 0
    for one, other in zip(reversed(wanted), reversed(parts), strict=False):
        if one != other:
            break
        count += 1
    return count
