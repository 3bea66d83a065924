"""Groups expressions of an image into samples."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform
from mmengine.dataset import Compose

from .transforms import ApplyUnlessDirection, has_direction_word


def group_expressions(
    expressions: Sequence[dict], size: int, seed: int, crops: bool
) -> list[list[dict]]:
    """Group expressions of one image and split, at most ``size`` together.

    A group shares its augmentation. So that each expression is cropped as often
    and as closely as alone, those that a crop spares stay apart from the others,
    and of the others only those of one object go together.

    Args:
        expressions (Sequence[dict]): With ``text``, ``split``, ``img_path``, ``bbox``
            (unless it has none) and optionally ``dataset``.
        size (int): Most expressions of a group.
        seed (int): Seed by which groups are drawn.
        crops (bool): Whether the pipeline crops expressions without direction words,
            see :func:`spares_directions`.

    Returns:
        list[list[dict]]: The groups; each expression is in one of them.
    """
    if size == 1:
        return [[expression] for expression in expressions]
    by_view = defaultdict(list)
    for expression in expressions:
        apart = crops and not has_direction_word(expression['text'])
        key = (
            expression['split'],
            expression.get('dataset'),
            expression['img_path'],
            tuple(expression.get('bbox', ())) if apart else None,
        )
        by_view[key].append(expression)
    generator = np.random.default_rng(seed)
    groups = []
    for members in by_view.values():
        # The file has an object's expressions in a row: unshuffled, a
        # group would name the same box again and again.
        members = [members[index] for index in generator.permutation(len(members))]
        groups += [
            members[start : start + size] for start in range(0, len(members), size)
        ]
    return groups


def spares_directions(pipeline: Any) -> bool:
    """Whether a pipeline has ``ApplyUnlessDirection``, at any depth.

    Args:
        pipeline (Any): A ``Compose``, a transform, which may wrap others as
            ``RandomApply`` and ``RandomChoice`` do, or a list of them.
    """
    if isinstance(pipeline, ApplyUnlessDirection):
        return True
    if isinstance(pipeline, BaseTransform | Compose):
        inner = vars(pipeline).values()
    else:
        inner = pipeline if isinstance(pipeline, list | tuple) else ()
    return any(map(spares_directions, inner))
