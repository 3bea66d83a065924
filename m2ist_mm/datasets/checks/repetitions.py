"""Images in several splits, and rows that repeat or contradict others."""

import re
from collections import defaultdict
from collections.abc import Iterable
from itertools import combinations


def find_repetitions(parts: Iterable[tuple[str, Iterable[dict]]]) -> list[str]:
    """Say what of some splits is there twice; one line for each kind.

    None of it is a fault by itself: the google split of RefCOCOg has the same images in
    train and val, and two people may say the same.

    Args:
        parts (Iterable[tuple[str, Iterable[dict]]]): What messages call a split, and
            its samples before their pipeline, see :class:`RECDataset`.

    Returns:
        list[str]: At most three lines, each with a number and an example: images of
        several splits, rows of one image with the same words and disjoint boxes, and
        rows that are the same in image, text and box.
    """
    splits, boxes, rows = defaultdict(dict), defaultdict(dict), defaultdict(int)
    for part, samples in parts:
        for sample in samples:
            image = sample['img_path']
            splits[image][part] = None
            for instance in sample['instances']:
                text = sample['text'][instance['bbox_label']]
                bbox = tuple(instance['bbox'])
                rows[image, text, bbox] += 1
                boxes[image, _words(text)][bbox] = text

    shared = {image: names for image, names in splits.items() if len(names) > 1}
    contradictory = {
        key: found
        for key, found in boxes.items()
        if any(_disjoint(*pair) for pair in combinations(found, 2))
    }
    repeated = {key: number for key, number in rows.items() if number > 1}
    lines = []
    if shared:
        image, names = next(iter(shared.items()))
        lines.append(
            f'{len(shared)} images are in several splits, the first: {image} in '
            f'{" and ".join(names)}'
        )
    if contradictory:
        (image, _), found = next(iter(contradictory.items()))
        text = next(iter(found.values()))
        lines.append(
            f'{len(contradictory)} expressions name disjoint boxes of one image, the '
            f'first: {text!r} in {image}'
        )
    if repeated:
        image, text, _ = next(iter(repeated))
        lines.append(
            f'{sum(repeated.values()) - len(repeated)} rows repeat another one exactly '
            f'(image, text and box), the first: {text!r} in {image}'
        )
    return lines


def _words(text: str) -> str:
    """Words of an expression, whatever their case, blanks and punctuation."""
    return ' '.join(re.findall(r'\w+', text.casefold())) or text


def _disjoint(one: tuple, other: tuple) -> bool:
    """Whether two boxes (xyxy) have no area in common."""
    return min(one[2], other[2]) <= max(one[0], other[0]) or min(
        one[3], other[3]
    ) <= max(one[1], other[1])
