"""Reads files of ``torch.save``, which may come from anyone, without running code."""

import io
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from mmengine.logging import print_log

from .allowed_objects import Storage, build
from .inert_pickle import Call, InertUnpickler

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001


def read_torch_file(path: str | Path) -> Any:
    """Read a file of ``torch.save``; nothing in it can run code.

    torch's own unpickler is not used. :mod:`allowed_objects` lists what a file may
    contain. In the zip format, the one of torch since 1.6, the checksum
    of every member is verified; the older format has none, which the log says.

    Args:
        path: The file.

    Returns:
        What was saved, with all tensors on the CPU.

    Raises:
        FileNotFoundError: There is no such file.
        PermissionError: It may not be read.
        ValueError: It is damaged, is no such file, or holds other objects; the message
            is one line and begins with the file's name.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f'there is no checkpoint file {str(path)!r}')
    with open(path, 'rb') as file:
        try:
            content, has_checksums = read_torch(file)
        except ValueError as error:
            raise ValueError(
                f'{path} cannot be read as a checkpoint: {error}'
            ) from error
    if not has_checksums:
        print_log(
            f'{path} is in the format before torch 1.6, which has no checksums: damage '
            'to it cannot be told.',
            logger='current',
        )
    return content


def read_torch(file: BinaryIO) -> tuple[Any, bool]:
    """Read what ``torch.save`` wrote, see :func:`read_torch_file`.

    Returns:
        What was saved, and whether its checksums were verified.

    Raises:
        ValueError: The reason, in one line.
    """
    is_zip = file.read(4) == b'PK\x03\x04'
    file.seek(0)
    try:
        return (_read_zip if is_zip else _read_legacy)(file), is_zip
    except pickle.UnpicklingError as error:
        raise ValueError(str(error)) from error
    # a damaged pickle fails in whatever way its opcodes happen to
    except Exception as error:
        line = str(error).partition('\n')[0][:200]
        raise ValueError(
            f'it is damaged or no torch file ({type(error).__name__}: {line})'
        ) from error


def _read_zip(file: BinaryIO) -> Any:
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        for member in members:
            # torch compresses none, and so nothing can grow
            if member.compress_type != zipfile.ZIP_STORED:
                raise pickle.UnpicklingError('it is a zip file, but not one of torch')
        if sum(member.file_size for member in members) > file.seek(0, 2):
            raise pickle.UnpicklingError('it is damaged: its parts overlap')
        # read to its end, each is compared with its checksum
        content = {member.filename: archive.read(member) for member in members}
    (name,) = (name for name in content if name.endswith('/data.pkl'))
    root = name.removesuffix('data.pkl')
    if content.get(f'{root}byteorder', b'little').strip() != b'little':
        raise pickle.UnpicklingError('it was written on a big-endian machine')
    unpickler = InertUnpickler(io.BytesIO(content[name]))
    return _build(unpickler.load(), lambda key: content.pop(f'{root}data/{key}'))


def _read_legacy(file: BinaryIO) -> Any:
    magic, protocol, system = (InertUnpickler(file).load() for _ in range(3))
    if magic != _LEGACY_MAGIC or protocol != _LEGACY_PROTOCOL:
        raise pickle.UnpicklingError('it is no torch file')
    if type(system) is not dict or system.get('little_endian') is not True:
        raise pickle.UnpicklingError('it was written on a big-endian machine')
    unpickler = InertUnpickler(file)
    tree = unpickler.load()
    itemsizes = {call.args[1]: _itemsize(call) for call in unpickler.storages}
    memory = {}
    for key in InertUnpickler(file).load():
        (numel,) = struct.unpack('<q', file.read(8))
        size = numel * itemsizes[key]
        memory[key] = file.read(size) if size >= 0 else b''
        if len(memory[key]) != size:
            raise EOFError('cut off')
    return _build(tree, memory.pop)


def _itemsize(call: Call) -> int:
    kind = build(call.args[0], None)
    if type(kind) is not Storage:
        raise pickle.UnpicklingError('it holds a storage that is none')
    return kind.itemsize


def _build(tree: Any, pop: Callable[[str], bytes]) -> Any:
    """Build a tree whose storages are taken from the file's parts."""
    memory: dict[str, memoryview] = {}

    def memory_of(key: str) -> memoryview:
        if key not in memory:
            memory[key] = memoryview(bytearray(pop(key)))
        return memory[key]

    return build(tree, memory_of)
