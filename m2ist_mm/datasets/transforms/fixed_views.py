"""The views of an image in a pipeline without random steps."""

from collections.abc import Callable, Iterable
from itertools import product

import mmcv.transforms
import mmdet.datasets.transforms
from mmengine.dataset import Compose

# Those of others that give the same at every call. Exactly these classes: a subclass
# may do anything.
_DETERMINISTIC = {
    getattr(package, name)
    for package in (mmcv.transforms, mmdet.datasets.transforms)
    for name in (
        'CenterCrop',
        'FixShapeResize',
        'LoadAnnotations',
        'LoadImageFromFile',
        'LoadImageFromNDArray',
        'Normalize',
        'PackDetInputs',
        'Pad',
        'Resize',
    )
    if hasattr(package, name)
}


def is_deterministic(transform: Callable) -> bool:
    """Whether a transform gives the same for the same sample at every call.

    A transform declares it by its attribute ``deterministic``; those of mmcv and mmdet
    that do are known.
    """
    known = type(transform) in _DETERMINISTIC
    return bool(getattr(transform, 'deterministic', known))


def fixed_views(transforms: Iterable[Callable]) -> list[Compose]:
    """Make a pipeline for each view that a pipeline can give.

    A transform with a few fixed outcomes declares them by a method ``views``, which
    returns a deterministic transform for each.

    Args:
        transforms: The steps of the pipeline.

    Returns:
        The pipelines, one for each combination of the steps' views.

    Raises:
        ValueError: A step is neither deterministic nor has it fixed views.
    """
    choices = []
    for step in transforms:
        views = step.views() if hasattr(step, 'views') else [step]
        for view in views:
            if not is_deterministic(view):
                raise ValueError(
                    'the pipeline has a step that gives another view every time, or '
                    f'does not declare `deterministic = True`: {step}'
                )
        choices.append(views)
    return [Compose(steps) for steps in product(*choices)]
