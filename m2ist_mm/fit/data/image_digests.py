"""Fingerprints of images: of the file, and of what it shows."""

import hashlib
import json
import os
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
from rich.progress import track

from ...atomic_file import write_atomically
from ...datasets.image_reader import read_image

_SIDE = 8
MOST_PAIRS = 10_000  # then no more are looked for: frames of a video are all alike
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
    looks: Mapping[str, str | None], splits: Mapping[str, str], most_bits: int = 16
) -> list[tuple[str, str, int]]:
    """Find images of different splits that look the same.

    Args:
        looks: What :func:`look_of` says of each image.
        splits: The split of each image.
        most_bits: In how many of the 128 bits two such images may differ.

    Returns:
        Pairs of images and the number of bits, the most similar first; where there are
        very many, not all.
    """
    names = [name for name, look in looks.items() if look is not None]
    if len(names) < 2:
        return []
    bits = np.array([np.frombuffer(bytes.fromhex(looks[n]), np.uint8) for n in names])
    kinds = np.array([splits[name] for name in names])
    pairs = []
    for index in range(len(names) - 1):
        if len(pairs) >= MOST_PAIRS:
            break
        differing = np.unpackbits(bits[index + 1 :] ^ bits[index], axis=1).sum(1)
        near = (differing <= most_bits) & (kinds[index + 1 :] != kinds[index])
        pairs += [
            (names[index], names[index + 1 + other], int(differing[other]))
            for other in np.flatnonzero(near)
        ]
    return sorted(pairs, key=lambda pair: pair[2])


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
