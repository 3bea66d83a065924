"""The classes, named one by one, that a checkpoint may hold besides tensors.

MMEngine's message hub keeps its curves in ``HistoryBuffer`` objects of numpy arrays,
and metrics may be numpy scalars. ``torch.load(weights_only=True)`` refuses them unless
they are allowed by name. None of them can be made to run code.
"""

import pickle

import numpy as np
import torch
from mmengine.logging import HistoryBuffer

_STATISTICS = ('min', 'max', 'current', 'mean')


def _history_buffer_method(owner: type, name: str):
    """Stand in for ``getattr``, by which a ``HistoryBuffer`` names its statistics.

    ``getattr`` itself gives a file the way from any object to any other.
    """
    if owner is not HistoryBuffer or name not in _STATISTICS:
        raise pickle.UnpicklingError(f'getattr of {name!r} is not allowed')
    return getattr(owner, name)


def _numpy_globals() -> list:
    """Constructors under the names that numpy 1 and numpy 2 write, and dtypes."""
    functions = (np.float64(0).__reduce__()[0], np.zeros(0).__reduce__()[0])
    constructors = [
        (function, f'numpy.{core}.multiarray.{function.__name__}')
        for function in functions
        for core in ('core', '_core')
    ]
    codes = np.typecodes['AllInteger'] + '?efd'
    dtypes = {type(np.dtype(code)) for code in codes}
    return [*constructors, np.dtype, np.ndarray, *sorted(dtypes, key=str)]


SAFE_GLOBALS = [
    HistoryBuffer,
    (_history_buffer_method, 'builtins.getattr'),
    *_numpy_globals(),
]

torch.serialization.add_safe_globals(SAFE_GLOBALS)
