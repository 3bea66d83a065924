"""The views of an image that a pipeline without random steps gives."""

from collections.abc import Callable, Iterable
from itertools import product

from mmengine.dataset import Compose

from ..datasets.transforms import RECRandomFlip

# transforms that give the same at every call
_FIXED = {
    'LoadImageFromFile',
    'LoadAnnotations',
    'Resize',
    'ResizeToFit',
    'PadToCanvas',
    'PackRECInputs',
}


def fixed_views(transforms: Iterable[Callable]) -> list[Compose]:
    """Make a pipeline for each view that a pipeline can give.

    Args:
        transforms: The steps of the pipeline.

    Returns:
        The pipelines: one, or, where it flips at random, the plain and the mirrored.

    Raises:
        ValueError: A step gives another view every time.
    """
    choices = []
    for step in transforms:
        if isinstance(step, RECRandomFlip):
            choices.append([RECRandomFlip(prob=prob) for prob in (0.0, 1.0)])
            continue
        random = getattr(step, 'position', 'center') == 'random'
        if random or type(step).__name__ not in _FIXED:
            raise ValueError(
                f'the pipeline has a step that gives another view every time: {step}'
            )
        choices.append([step])
    return [Compose(steps) for steps in product(*choices)]
