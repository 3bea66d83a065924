"""Reader of REFER's ``refs(*).p`` that cannot be made to run code."""

import io
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from .dataset_error import DatasetError
from .formats import read_bytes, read_fields

# What a REFER entry must have, with the type of each value.
_REF_FIELDS = dict(ref_id=int, ann_id=int | str, image_id=int, split=str)
_SENTENCE_FIELDS = dict(sent_id=int, sent=str)


class _NumberType:
    """Stand-in for ``numpy.dtype`` that knows numbers alone."""

    def __init__(self, code: str | bytes, *flags: Any) -> None:
        self.code = _decode(code)
        if not re.fullmatch(r'[iu][1248]|f[248]|b1', self.code):
            raise pickle.UnpicklingError(f'it asks for numpy values of {code!r}')
        self.order = '='

    def __setstate__(self, state: tuple) -> None:
        self.order = _decode(state[1]) if _decode(state[1]) in ('<', '>') else '='


def _number(kind: _NumberType, content: bytes) -> int | float | bool:
    """Stand-in for numpy's constructor of one number."""
    if not isinstance(kind, _NumberType):
        raise pickle.UnpicklingError('it asks for a numpy value that is no number')
    (number,) = np.frombuffer(content, np.dtype(kind.code).newbyteorder(kind.order))
    return number.item()


def _as_bytes(text: str, encoding: str) -> bytes:
    """Stand-in for ``_codecs.encode``, by which Python 3 writes bytes in protocol 2."""
    return _decode(text).encode('latin1')


class _StandIn:
    """A function that a pickle can call and cannot change."""

    __slots__ = ('_function',)

    def __init__(self, function: Callable) -> None:
        self._function = function

    def __call__(self, *args: Any) -> Any:
        return self._function(*args)

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError('it changes what makes its numbers')


# what numpy 1 and numpy 2 write for one number
_STAND_INS = {
    ('numpy', 'dtype'): _StandIn(_NumberType),
    ('numpy.core.multiarray', 'scalar'): _StandIn(_number),
    ('numpy._core.multiarray', 'scalar'): _StandIn(_number),
    ('_codecs', 'encode'): _StandIn(_as_bytes),
}


class _PlainUnpickler(pickle.Unpickler):
    """Unpickler of numbers, numpy's included, strings, lists and dicts alone.

    Every way a pickle has to run code starts from a global (a class or a
    function looked up by name) or from a persistent id. The four globals that a
    number of numpy needs are replaced by stand-ins of this module, which make
    numbers and nothing else; others do not exist here.
    """

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _STAND_INS:
            return _STAND_INS[module, name]
        raise pickle.UnpicklingError(
            f'it asks for {module}.{name}, and REFER files hold nothing but '
            'numbers, strings, lists and dicts'
        )

    def persistent_load(self, pid: Any) -> Any:
        raise pickle.UnpicklingError('it asks for an object outside the file')


def _decode(value: Any) -> Any:
    """Turn Python 2's byte strings into str."""
    if isinstance(value, bytes):
        try:
            return value.decode('utf-8')
        except UnicodeDecodeError:
            return value.decode('latin1')
    return value


def _decode_keys(entry: Any) -> Any:
    """Decode an entry's keys and scalar values."""
    if not isinstance(entry, dict):
        return entry
    return {_decode(key): _decode(value) for key, value in entry.items()}


def _read_ref(entry: Any) -> dict:
    """Decode a referent and check what it must have.

    Raises:
        ValueError: Says what is wrong.
    """
    entry = _decode_keys(entry)
    sentences = read_fields(entry, dict(**_REF_FIELDS, sentences=list))['sentences']
    sentences = [_decode_keys(sentence) for sentence in sentences]
    return {
        **entry,
        **read_fields(entry, _REF_FIELDS),
        'sentences': [
            {**sentence, **read_fields(sentence, _SENTENCE_FIELDS, dict(kind=str))}
            for sentence in sentences
        ],
    }


def load_refs(path: str | Path, backend_args: dict | None = None) -> list[dict]:
    """Read the referents of a REFER dataset.

    The files are Python 2 pickles of protocol 0 or 2 with byte strings (UTF-8,
    or Latin-1 where that fails); files written by Python 3 are read as well.

    Args:
        path (str | Path): A ``refs(*).p``.
        backend_args (dict, optional): Where mmengine reads it.

    Returns:
        list[dict]: One dict per referent, in the order of the file, with at
        least ``ref_id``, ``image_id`` (int), ``ann_id`` (int, or str in RefCLEF),
        ``split`` (str) and ``sentences``: a list of dicts with at least ``sent_id``
        (int) and ``sent`` (str).

    Raises:
        DatasetError: If the file is missing, incomplete, asks for anything
            that could run code, or is not a list of referents.
    """
    content = read_bytes(path, backend_args)
    try:
        refs = _PlainUnpickler(io.BytesIO(content), encoding='bytes').load()
    # A damaged pickle fails in whatever way its opcodes happen to.
    except Exception as error:
        raise DatasetError(
            [
                f'{path}: not a REFER file: {error}; nothing in it was run; get the '
                'original file again'
            ]
        ) from error
    if not isinstance(refs, list):
        raise DatasetError(
            [f'{path}: holds a {type(refs).__name__}, not a list of referents']
        )

    faults, entries = [], []
    for number, ref in enumerate(refs):
        try:
            entries.append(_read_ref(ref))
        except ValueError as error:
            faults.append(f'{path}: entry {number}: {error}')
    if faults:
        raise DatasetError(faults)
    return entries
