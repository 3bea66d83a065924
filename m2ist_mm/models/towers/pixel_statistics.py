"""Pixel statistics that come with the weights of a vision tower."""

import json
from math import isfinite
from numbers import Real
from pathlib import Path

from transformers.utils import IMAGE_PROCESSOR_NAME, cached_file

from ...structures import InputSpec
from .pretrained import resolve_pretrained, split_revision


def read_pixel_statistics(name: str) -> InputSpec:
    """Read the mean and standard deviation that weights were trained with.

    Args:
        name: As of :func:`resolve_pretrained`.

    Returns:
        ``mean`` and ``std`` of the weights' ``preprocessor_config.json``; both ``None``
        where there is no such file, or none can be fetched.

    Raises:
        ValueError: The file cannot be read, or states no statistics; names it.
    """
    name, revision = split_revision(resolve_pretrained(name))
    try:
        path = cached_file(name, IMAGE_PROCESSOR_NAME, revision=revision)
    except OSError:
        return InputSpec()
    try:
        return _statistics(json.loads(Path(path).read_text(encoding='utf-8')))
    except Exception as error:  # whatever the file holds
        raise ValueError(f'{path}: {error}') from error


def _statistics(settings: dict) -> InputSpec:
    """Convert the settings of an image processor to pixel units."""
    if not isinstance(settings, dict):
        raise ValueError(f'no settings of an image processor, but {settings!r}')
    if settings.get('do_rescale') is False:
        raise ValueError(
            'do_rescale is false, which leaves the range of the pixels open: write '
            'true, and the rescale_factor of the training'
        )
    factor = settings.get('rescale_factor', 1 / 255)
    if not (isinstance(factor, Real) and isfinite(factor) and factor > 0):
        raise ValueError(f'rescale_factor must be a number above 0, got {factor!r}')
    if settings.get('do_normalize') is False:
        scaled = InputSpec(mean=(0.0,) * 3, std=(1.0,) * 3)
    else:
        scaled = InputSpec(
            # what is missing is refused as well
            mean=settings.get('image_mean') or (),
            std=settings.get('image_std') or (),
        )
    # rounded, as 0.224 times 255 is 57.12 and not 57.120000000000005
    return InputSpec(
        mean=tuple(round(value / factor, 9) for value in scaled.mean),
        std=tuple(round(value / factor, 9) for value in scaled.std),
    )
