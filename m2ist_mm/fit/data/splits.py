"""Splits by image, in a file that can be edited."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from ...datasets.dataset_error import DatasetError
from ...datasets.formats.json_text import read_text
from ...datasets.formats.rows import parse_table
from .source import SPLITS

SHARES = dict(val=0.1, test=0.1)  # train has the rest
FEWEST_IMAGES = 10


def read_splits(path: Path) -> dict[str, str]:
    """Read the split of each image from a table with the columns image and split.

    Raises:
        DatasetError: A row is none, names another split, or repeats an image.
    """
    splits, faults = {}, []
    for entry, row in parse_table(str(path), read_text(str(path))):
        image, split = row.get('image'), row.get('split')
        if image is None or split not in SPLITS:
            faults.append(
                f'{entry}: has image {image!r} and split {split!r}; each row is an '
                f'image and one of {", ".join(SPLITS)}'
            )
        elif splits.setdefault(image, split) != split:
            faults.append(f'{entry}: {image} is in {splits[image]} already')
    if faults:
        raise DatasetError(faults)
    return splits


def splits_table(splits: Mapping[str, str]) -> bytes:
    """Make the table of the columns image and split."""
    text = io.StringIO(newline='')
    writer = csv.writer(text, lineterminator='\n')
    writer.writerow(['image', 'split'])
    writer.writerows(splits.items())
    return text.getvalue().encode()


def draw_splits(groups: Iterable[Sequence[str]], seed: int) -> dict[str, str]:
    """Draw a split for each image: 80 % train, 10 % val, 10 % test.

    Args:
        groups: The images; those of a group, the same image twice, stay together.
        seed: Of the draw, which depends on the names alone, not on their order.
    """
    groups = sorted(sorted(group) for group in groups)
    total = sum(map(len, groups))
    room = {name: round(share * total) for name, share in SHARES.items()}
    splits = _fill(room, groups, seed)
    return {name: splits[name] for name in sorted(splits)}


def _fill(
    room: Mapping[str, int], groups: Sequence[Sequence[str]], seed: int
) -> dict[str, str]:
    """Draw whole groups into splits until these are full; train has the rest."""
    left, splits = dict(room), {}
    for index in np.random.default_rng(seed).permutation(len(groups)):
        split = next((name for name in left if left[name] > 0), 'train')
        if split != 'train':
            left[split] -= len(groups[index])
        splits.update(dict.fromkeys(groups[index], split))
    return splits


def complete_splits(
    named: Mapping[str, str], groups: Iterable[Sequence[str]], seed: int, source: str
) -> tuple[dict[str, str], list[str]]:
    """Turn the splits that a dataset names into train, val and test by image.

    Args:
        named: The splits of the images, all of them named.
        groups: The images; those of a group are the same image twice.
        seed: By which a missing val or test is taken out of train.
        source: What messages call the data.

    Returns:
        The split of each image, and notes on what was done.

    Raises:
        DatasetError: There is one split only, or none to train on.
    """
    there = set(named.values())
    if len(there) == 1:
        raise DatasetError(
            f'{source}: all images are of the split {there.pop()!r}; give others '
            'to val and test, or leave the splits out (split of rows, subset="..." of '
            "CVAT's images, the names of files), and the images are divided"
        )
    if 'train' not in there:
        raise DatasetError(f"{source}: there are no images of the split 'train'")
    splits, notes, moved = dict(named), [], []
    groups = sorted(sorted(group) for group in groups)
    for group in groups:
        # what is tested must not be trained on
        last = max((splits[name] for name in group), key=SPLITS.index)
        moved += [name for name in group if splits[name] != last]
        splits.update(dict.fromkeys(group, last))
    if moved:
        notes.append(
            f'{len(moved)} images are in another split under another name, and were '
            f'moved there, the first: {moved[0]}'
        )
    for name in SHARES:
        if name not in there:
            own = [group for group in groups if splits[group[0]] == 'train']
            count = max(1, round(SHARES[name] * sum(map(len, own))))
            drawn = _fill({name: count}, own, seed)
            splits.update(drawn)
            taken = list(drawn.values()).count(name)
            notes.append(
                f'{name}: {taken} images taken out of train, as none was given'
            )
    return splits, notes
