"""Reader of REFER's ``refs(*).p`` that cannot be made to run code."""

import io
import pickle
from pathlib import Path
from typing import Any

from .dataset_error import DatasetError
from .formats.json_text import read_bytes

# What a REFER entry must have, with the type of each value.
_REF_FIELDS = {
    'ref_id': int,
    'ann_id': int,
    'image_id': int,
    'split': str,
    'sentences': list,
}
_SENTENCE_FIELDS = {'sent_id': int, 'sent': str}


class _PlainUnpickler(pickle.Unpickler):
    """Unpickler of numbers, strings, lists and dicts alone.

    Every way a pickle has to run code starts from a global (a class or a
    function looked up by name) or from a persistent id; neither exists here.
    """

    def find_class(self, module: str, name: str) -> Any:
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


def _read_fields(entry: Any, fields: dict[str, type]) -> dict:
    """Decode an entry's scalar values and check those that must be there.

    Raises:
        ValueError: If a field is missing or of another type.
    """
    if not isinstance(entry, dict):
        raise ValueError(f'is a {type(entry).__name__}, not a dict')
    entry = {_decode(key): _decode(value) for key, value in entry.items()}
    for name, kind in fields.items():
        if name not in entry:
            raise ValueError(f'has no {name!r}')
        if not isinstance(entry[name], kind):
            raise ValueError(
                f'has a {name!r} that is a {type(entry[name]).__name__}, not '
                f'{kind.__name__}'
            )
    return entry


def load_refs(path: str | Path, backend_args: dict | None = None) -> list[dict]:
    """Read the referents of a REFER dataset.

    The files are Python 2 pickles of protocol 0 or 2 with byte strings (UTF-8,
    or Latin-1 where that fails); files written by Python 3 are read as well.

    Args:
        path (str | Path): A ``refs(*).p``.
        backend_args (dict, optional): Where mmengine reads it.

    Returns:
        list[dict]: One dict per referent, in the order of the file, with at
        least ``ref_id``, ``ann_id``, ``image_id`` (int), ``split`` (str) and
        ``sentences``: a list of dicts with at least ``sent_id`` (int) and
        ``sent`` (str).

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
            entry = _read_fields(ref, _REF_FIELDS)
            entry['sentences'] = [
                _read_fields(sentence, _SENTENCE_FIELDS)
                for sentence in entry['sentences']
            ]
            entries.append(entry)
        except ValueError as error:
            faults.append(f'{path}: entry {number} {error}')
    if faults:
        raise DatasetError(faults)
    return entries
