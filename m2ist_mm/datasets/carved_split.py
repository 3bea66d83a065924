"""A new split, taken out of another."""

import numpy as np


def carve_split(
    expressions: list[dict], name: str, source: str, images: int, seed: int = 0
) -> None:
    """Move all expressions of some images to another split, in place.

    Which images is drawn from their sorted names, so it does not depend on the order of
    the rows.

    Args:
        expressions: With ``image`` and ``split``.
        name: The new split.
        source: The split that the images are taken from.
        images: How many.
        seed: Of the draw.

    Raises:
        ValueError: The split has not more images than that, or the new one is there.
    """
    if any(expression.get('split') == name for expression in expressions):
        raise ValueError(f'there is a split {name!r} already, it cannot be carved')
    own = [e for e in expressions if e.get('split') == source]
    names = sorted({expression['image'] for expression in own})
    if not 0 < images < len(names):
        raise ValueError(
            f'{images} images cannot be carved out of the {len(names)} of {source!r}'
        )
    drawn = set(np.random.default_rng(seed).permutation(names)[:images].tolist())
    for expression in own:
        if expression['image'] in drawn:
            expression['split'] = name
