"""Checks of a dataset's arguments."""

import math
from typing import Any

from .box_units import BOX_UNITS

_FILTERS = ('skip_faulty',)


def check_arguments(splits: tuple, **arguments: Any) -> None:
    """Refuse arguments of :class:`RECDataset` that mean nothing.

    Args:
        splits (tuple): The splits to be read.
        **arguments (Any): The others that are checked, by their name.

    Raises:
        ValueError: Names the argument and what it may be.
    """
    if (
        not splits
        or not all(isinstance(split, str) for split in splits)
        or len(set(splits)) < len(splits)
    ):
        raise ValueError(f'split={splits!r}: must be one name, or several, each once')
    prefix = arguments['data_prefix']
    if [*prefix] != ['img'] or not isinstance(prefix['img'], str):
        raise ValueError(
            f"data_prefix={prefix!r}: must be dict(img='FOLDER'), the image folder"
        )
    for name in ('lowercase', 'check_images', 'with_boxes'):
        if not isinstance(arguments[name], bool):
            raise ValueError(f'{name}={arguments[name]!r}: must be True or False')
    for name, least in (('max_expressions_per_sample', 1), ('seed', 0)):
        if type(arguments[name]) is not int or arguments[name] < least:
            raise ValueError(
                f'{name}={arguments[name]!r}: must be a whole number of at least '
                f'{least}'
            )
    tolerance = arguments['box_tolerance']
    if not isinstance(tolerance, int | float) or not 0 <= tolerance < math.inf:
        raise ValueError(f'box_tolerance={tolerance!r}: must be a number of at least 0')
    units = (None, 'pixel', *BOX_UNITS)
    if arguments['box_unit'] not in units:
        raise ValueError(
            f'box_unit={arguments["box_unit"]!r}: must be one of '
            f'{", ".join(map(repr, units))}'
        )
    filters = arguments['filter_cfg'] or {}
    unknown = [key for key in filters if key not in _FILTERS]
    if unknown or not all(isinstance(value, bool) for value in filters.values()):
        raise ValueError(
            f'filter_cfg={dict(filters)!r}: must be None or dict(skip_faulty=True), '
            'the only filter there is'
        )
    if not arguments['with_boxes'] and not arguments['test_mode']:
        raise ValueError(
            'with_boxes=False: expressions without boxes can be predicted, not learnt; '
            'test_mode=True is needed'
        )
    if arguments['proposal_file']:
        raise ValueError(
            'proposal_file is not read: it is a pickle, which could run code, and no '
            'model here takes proposals'
        )
