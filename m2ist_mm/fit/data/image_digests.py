"""Fingerprints of images: of the file, and of what it shows."""

import hashlib
import json
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
from rich.progress import track

from ...atomic_file import write_atomically
from ...datasets.image_reader import read_image

_SIDE = 8
MOST_PAIRS = 10_000  # then no more are looked for: frames of a video are all alike
_MOST_BITS = 16  # of the 128 that differ between two looks of the same
_BLOCK = 256  # looks that are compared with all others at once
_LARGEST_GROUP = 1 / 4  # of all images
_FLAT = 8  # grey values; an image with less contrast looks like any other


def digest_images(
    images: Mapping[str, Path], record: Path
) -> tuple[dict[str, dict], list[str]]:
    """Decode every image once, and fingerprint it.

    Args:
        images: The images by what they are called.
        record: A JSON file with what an earlier call found: an image whose size and
            time of change are the same is not decoded again.

    Returns:
        For each image a dict with ``sha256`` of its file, ``look`` (hex, 128 bits, see
        :func:`look_of`; None where there is hardly any contrast), ``bytes`` and
        ``changed``; and a fault for each image that cannot be decoded.
    """
    known = _read_record(record)

    def digest(name: str) -> dict | str:
        path = images[name]
        try:
            status = os.stat(path)
            stamp = dict(bytes=status.st_size, changed=status.st_mtime_ns)
            old = known.get(name, {})
            if all(old.get(key) == value for key, value in stamp.items()):
                return old
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            return dict(stamp, sha256=content, look=look_of(read_image(path)))
        except (OSError, ValueError) as error:
            return str(error)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = list(
            track(pool.map(digest, images), 'reading the images', total=len(images))
        )
    digests, faults = {}, []
    for name, result in zip(images, found, strict=True):
        if isinstance(result, str):
            faults.append(result)
        else:
            digests[name] = result
    write_atomically(record, json.dumps(digests, indent=0).encode())
    return digests, faults


def look_of(image: np.ndarray) -> str | None:
    """Fingerprint what an image shows, whatever its size and compression.

    A difference hash: whether grey values rise from each cell of a small grid to the
    next one, along rows and along columns.

    Args:
        image: (h, w, 3), uint8.

    Returns:
        128 bits as hex; None where the image has hardly any contrast.
    """
    gray = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    grid = cv2.resize(gray, (_SIDE + 1, _SIDE + 1), interpolation=cv2.INTER_AREA)
    grid = grid.astype(np.int16)
    if np.ptp(grid) < _FLAT:
        return None
    rises = grid[:-1, 1:] > grid[:-1, :-1], grid[1:, :-1] > grid[:-1, :-1]
    return np.packbits(np.stack(rises)).tobytes().hex()


def find_near_duplicates(
    looks: Mapping[str, str | None], splits: Mapping[str, str]
) -> list[tuple[str, str, int]]:
    """Find images of different splits that look the same.

    Args:
        looks: What :func:`look_of` says of each image.
        splits: The split of each image.

    Returns:
        Pairs of images and the number of bits that differ, the most similar first;
        where there are very many, not all.
    """
    names = [name for name, look in looks.items() if look is not None]
    pairs = []
    for index, others, bits in _look_alikes([looks[name] for name in names]):
        if len(pairs) >= MOST_PAIRS:
            break
        pairs += [
            (names[index], names[other], int(differing))
            for other, differing in zip(others, bits, strict=True)
            if splits[names[index]] != splits[names[other]]
        ]
    return sorted(pairs, key=lambda pair: pair[2])


def group_look_alikes(digests: Mapping[str, dict]) -> dict[str, str]:
    """Group images that are the same file or look the same, directly or by others.

    A group of more than a quarter of all images, as frames of a fixed camera are, falls
    apart into images that are the same file.

    Args:
        digests: See :func:`digest_images`.

    Returns:
        For each image the first one of its group; most are alone.
    """
    names = list(digests)
    places = {name: place for place, name in enumerate(names)}
    same = np.arange(len(names))
    for group in same_files(digests):
        same[[places[name] for name in group]] = places[group[0]]
    alike = same.copy()
    seen = [place for place, name in enumerate(names) if digests[name]['look']]
    looks = [digests[names[place]]['look'] for place in seen]
    for index, others, _ in _look_alikes(looks):
        joined = np.unique(alike[[seen[index], *(seen[other] for other in others)]])
        if len(joined) > 1:
            alike[np.isin(alike, joined)] = joined[0]
    too_many = np.bincount(alike)[alike] > _LARGEST_GROUP * len(names)
    first = np.where(too_many, same, alike)
    return {name: names[place] for name, place in zip(names, first, strict=True)}


def _look_alikes(looks: Sequence[str]) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Give for each look those after it that are alike, and how many bits differ."""
    packed = [np.frombuffer(bytes.fromhex(look), np.uint8) for look in looks]
    signs = np.unpackbits(np.array(packed, np.uint8).reshape(-1, 16), axis=1)
    signs = signs.astype(np.float32) * 2 - 1
    for start in range(0, len(signs), _BLOCK):
        # the product of two signs is 1 where bits agree and -1 where they differ
        products = signs[start : start + _BLOCK] @ signs[start:].T
        differing = (signs.shape[1] - products) / 2
        for index, bits in enumerate(differing):
            others = index + 1 + np.flatnonzero(bits[index + 1 :] <= _MOST_BITS)
            yield start + index, start + others, bits[others]


def same_files(digests: Mapping[str, dict]) -> Collection[list[str]]:
    """Group images whose files are the same, byte by byte; most are alone."""
    groups = {}
    for name, digest in digests.items():
        groups.setdefault(digest['sha256'], []).append(name)
    return groups.values()


def _read_record(path: Path) -> dict:
    """Read what an earlier call wrote; whatever else is there is replaced."""
    try:
        record = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}
