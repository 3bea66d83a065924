"""Rows whose sentences say something else: what a model gets without reading."""

import numpy as np

from .neighbours import other_objects

SHUFFLES = ('in_image', 'across_images')


def shuffled_rows(rows: list[dict], how: str, seed: int = 0) -> list[dict]:
    """Give each row the sentence of another one; image, box and id stay.

    A model that reads finds the labelled box less often with these sentences. One that
    takes the most striking object finds it as often.

    Args:
        rows: See :func:`.load_rows`.
        how: 'in_image': a sentence of another object (IoU below 0.5) in the same image;
            'across_images': a sentence of another image.
        seed: Of the choice.

    Returns:
        New rows in the same order. Those for which there is no other sentence, in other
        words, are left out.

    Raises:
        ValueError: There is no such ``how``.
    """
    if how not in SHUFFLES:
        raise ValueError(f'how={how!r}: must be one of {", ".join(SHUFFLES)}')
    generator = np.random.default_rng(seed)
    if how == 'in_image':
        choices = other_objects(rows)
    else:
        choices = _of_other_images(rows, generator)
    shuffled = []
    for row, indices in zip(rows, choices, strict=True):
        texts = [
            text
            for index in indices
            if (text := rows[index]['expression']).casefold()
            != row['expression'].casefold()
        ]
        if texts:
            text = texts[generator.integers(len(texts))]
            shuffled.append({**row, 'expression': text})
    return shuffled


def _of_other_images(
    rows: list[dict], generator: np.random.Generator, tries: int = 20
) -> list[list[int]]:
    """For each row up to ``tries`` random rows of other images."""
    drawn = generator.integers(len(rows), size=(len(rows), tries))
    return [
        [index for index in indices if rows[index]['image'] != row['image']]
        for row, indices in zip(rows, drawn.tolist(), strict=True)
    ]
