"""Parts of the rows by whole images; those that look the same stay together."""

from collections import defaultdict

import numpy as np


def subset_rows(rows: list[dict], share: float, seed: int = 0) -> list[dict]:
    """Take all rows of a share of the images; a smaller share is part of a larger one.

    Args:
        rows: With ``image`` and, for images that look the same, ``group``.
        share: Of the images, above 0 and at most 1; rounded up to whole groups.
        seed: Of the order in which images are taken.

    Returns:
        The rows, in their order.

    Raises:
        ValueError: The share is no such number.
    """
    if not 0 < share <= 1:
        raise ValueError(f'share={share!r}: must be above 0 and at most 1')
    groups = _shuffled_groups(rows, seed)
    wanted = share * sum(map(len, groups)) - 1e-9
    taken = set()
    for images in groups:
        if len(taken) >= wanted:
            break
        taken |= images
    return [row for row in rows if row['image'] in taken]


def fold_rows(rows: list[dict], count: int, seed: int = 0) -> list[list[dict]]:
    """Divide rows by image into folds of nearly as many images.

    Args:
        rows: See :func:`subset_rows`.
        count: Number of folds.
        seed: Of the division.

    Raises:
        ValueError: There are fewer groups of images than folds, or fewer than two
            folds.
    """
    groups = _shuffled_groups(rows, seed)
    if not 2 <= count <= len(groups):
        raise ValueError(
            f'{count} folds of {len(groups)} images that look different: must be at '
            'least 2, and an image for each'
        )
    folds = [set() for _ in range(count)]
    for images in sorted(groups, key=len, reverse=True):
        smallest = min(folds, key=len)
        smallest |= images
    return [[row for row in rows if row['image'] in images] for images in folds]


def _shuffled_groups(rows: list[dict], seed: int) -> list[set[str]]:
    """Images by group, in random order; most are alone."""
    groups = defaultdict(set)
    for row in rows:
        groups[row.get('group', row['image'])].add(row['image'])
    names = sorted(groups)
    order = np.random.default_rng(seed).permutation(len(names))
    return [groups[names[index]] for index in order]
