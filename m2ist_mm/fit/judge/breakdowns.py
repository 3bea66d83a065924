"""Figures of parts of the answers: where a model is good and where not."""

import math
from collections import defaultdict
from collections.abc import Sequence

from .figures import figures

FEW_IMAGES = 20  # of a part: below, its interval is too rough to rely on
_LENGTHS = (  # words at most
    (1, '1 word'),
    (2, '2 words'),
    (4, '3 to 4 words'),
    (7, '5 to 7 words'),
    (math.inf, '8 words and more'),
)
_SIZES = (  # share of the image, below
    (0.03, 'below 3 % of the image'),
    (0.1, '3 to 10 %'),
    (0.3, '10 to 30 %'),
    (math.inf, '30 % and more'),
)


def breakdowns(answers: list[dict]) -> dict:
    """Compute the figures by kind, by length of the sentence and by size of the box.

    Args:
        answers: See :func:`.load_answers`.

    Returns:
        Under 'kind' (left out where no row has one), 'sentence length' and 'box size'
        a list of figures, each with its ``name``. Kinds come by their number of
        expressions, the others from short to long and from small to large.
    """
    lengths = [_length(answer['expression']) for answer in answers]
    shares = [_size(answer) for answer in answers]
    parts = {
        'kind': _figures(answers, [answer.get('kind') for answer in answers]),
        'sentence length': _figures(answers, lengths, [name for _, name in _LENGTHS]),
        'box size': _figures(answers, shares, [name for _, name in _SIZES]),
    }
    return {part: groups for part, groups in parts.items() if groups}


def _length(expression: str) -> str:
    words = len(expression.split())
    return next(name for most, name in _LENGTHS if words <= most)


def _size(answer: dict) -> str:
    left, top, right, bottom = answer['bbox']
    share = (right - left) * (bottom - top) / (answer['width'] * answer['height'])
    return next(name for bound, name in _SIZES if share < bound)


def _figures(
    answers: list[dict],
    names: Sequence[str | None],
    order: Sequence[str] | None = None,
) -> list[dict]:
    """Figures of the answers of each name; None is no name."""
    groups = defaultdict(list)
    for answer, name in zip(answers, names, strict=True):
        if name is not None:
            groups[name].append(answer)
    order = order or sorted(groups, key=lambda name: (-len(groups[name]), name))
    return [{'name': name, **figures(groups[name])} for name in order if name in groups]
