"""Reader of REFER's ``refs(*).p`` that cannot be made to run code."""

import io
from pathlib import Path
from typing import Any

from ..checkpoints.allowed_objects import build
from ..checkpoints.inert_pickle import InertUnpickler
from .dataset_error import DatasetError
from .formats import read_bytes, read_fields

# What a REFER entry must have, with the type of each value.
_REF_FIELDS = dict(ref_id=int, ann_id=int | str, image_id=int, split=str)
_SENTENCE_FIELDS = dict(sent_id=int, sent=str)


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
        tree = InertUnpickler(io.BytesIO(content), encoding='bytes').load()
        # without storages: it holds no tensors
        refs = build(tree, {}.__getitem__)
        if not isinstance(refs, list):
            raise ValueError(
                f'it holds a {type(refs).__name__}, not a list of referents'
            )
    # A damaged pickle fails in whatever way its opcodes happen to.
    except Exception as error:
        raise DatasetError(
            f'{path}: not a REFER file ({type(error).__name__}: {error}); nothing '
            'in it was run; get the original file again'
        ) from error

    faults, entries = [], []
    for number, ref in enumerate(refs):
        try:
            entries.append(_read_ref(ref))
        except ValueError as error:
            faults.append(f'{path}: entry {number}: {error}')
    if faults:
        raise DatasetError(faults)
    return entries
