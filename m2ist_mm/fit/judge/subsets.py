"""Parts of the rows, always by whole images."""

from collections import defaultdict

import numpy as np


def subset_rows(rows: list[dict], share: float, seed: int = 0) -> list[dict]:
    """Take all rows of a share of the images; a smaller share is part of a larger one.

    Args:
        rows: With ``image``.
        share: Of the images, above 0 and at most 1; rounded up to whole images.
        seed: Of the order in which images are taken.

    Returns:
        The rows, in their order.

    Raises:
        ValueError: The share is no such number.
    """
    if not 0 < share <= 1:
        raise ValueError(f'share={share!r}: must be above 0 and at most 1')
    images = _shuffled_images(rows, seed)
    taken = set(images[: int(np.ceil(share * len(images) - 1e-9))])
    return [row for row in rows if row['image'] in taken]


def fold_rows(rows: list[dict], count: int, seed: int = 0) -> list[list[dict]]:
    """Divide rows by image into folds of nearly as many images.

    Raises:
        ValueError: There are fewer images than folds, or fewer than two folds.
    """
    images = _shuffled_images(rows, seed)
    if not 2 <= count <= len(images):
        raise ValueError(
            f'{count} folds of {len(images)} images: must be at least 2, and an image '
            'for each'
        )
    fold = {image: number % count for number, image in enumerate(images)}
    folds = defaultdict(list)
    for row in rows:
        folds[fold[row['image']]].append(row)
    return [folds[number] for number in range(count)]


def _shuffled_images(rows: list[dict], seed: int) -> list[str]:
    images = sorted({row['image'] for row in rows})
    return [images[i] for i in np.random.default_rng(seed).permutation(len(images))]
