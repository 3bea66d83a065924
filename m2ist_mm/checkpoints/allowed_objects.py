"""The one list of what a torch file may hold besides numbers, text and containers.

Nothing of it is looked up by a name from the file: each entry is a function of this
module that checks its arguments and builds a tensor, a numeric array, a plain container
or one of MMEngine's curves from them.
"""

import argparse
import math
import pickle
import re
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from torch import Tensor

from .inert_pickle import STORAGE, Call, Name

_SHARED = 10  # how much larger a file's content may be than the file


@dataclass(frozen=True)
class Storage:
    """Memory of one or several tensors.

    Args:
        dtype: Type of its elements; ``None`` for bytes.
        memory: Its content, writable.
    """

    dtype: torch.dtype | None
    memory: memoryview

    @property
    def itemsize(self) -> int:
        """Bytes per element."""
        return 1 if self.dtype is None else self.dtype.itemsize


def build(tree: Any, memory_of: Callable[[str], memoryview]) -> Any:
    """Build what a pickle describes.

    Args:
        tree: What :class:`InertUnpickler` gave.
        memory_of: Gives the content of the storage of a key.

    Raises:
        pickle.UnpicklingError: It holds what is not on the list, or what is on it with
            arguments that make no sense.
        RecursionError: It is nested too deeply.
    """
    built: dict[int, Any] = {}
    sizes: dict[int, int] = {}
    here = written_out = 0  # number of objects, and that without sharing

    def build_one(node: Any) -> Any:
        nonlocal here, written_out
        here, written_out = here + 1, written_out + 1
        kind = type(node)
        if kind in (str, bytes, int, float, bool, type(None)):
            return node
        if id(node) in built:
            written_out += sizes.get(id(node), 0)
            # 40 lists, each twice the one before, would be a trillion objects
            _require(written_out <= _SHARED * here + 10**6, 'list of such a size')
            return built[id(node)]
        before = written_out
        if kind is list:
            result = built[id(node)] = []
            result.extend(map(build_one, node))
        elif kind is dict:
            result = built[id(node)] = {}
            result.update((key, build_one(value)) for key, value in node.items())
        elif kind is tuple:
            result = tuple(map(build_one, node))
        elif kind is Name:
            result = _value(node.path)
        else:
            result = call(node)
        built[id(node)] = result
        sizes[id(node)] = written_out - before
        return result

    def call(node: Call) -> Any:
        if node.path == 'torch._tensor._rebuild_from_type_v2':
            return tensor_with_attributes(*node.args)
        args = [build_one(argument) for argument in node.args]
        items = [(key, build_one(value)) for key, value in node.items]
        if node.path == STORAGE:
            return _storage(memory_of, *args)
        if node.path in _WITH_ITEMS:
            _require(node.state is None or node.path == _ORDERED, node.path)
            result = _WITH_ITEMS[node.path](*args)
            result.update(items)
            metadata = node.state.get('_metadata') if node.state else None
            if metadata is not None:
                result._metadata = build_one(metadata)
            return result
        _require(not items, node.path)
        if node.path in _WITH_STATE:
            return _WITH_STATE[node.path](*args, state=build_one(node.state))
        if node.path not in _CALLS:
            raise _refused(node.path)
        _require(node.state is None, node.path)
        return _CALLS[node.path](*args)

    def tensor_with_attributes(function, kind, args, attributes) -> Tensor:
        # FSDP gives its tensors some, which are left out
        _require(type(function) is type(kind) is Name, 'tensor')
        if function.path not in _TENSORS or kind.path not in _TENSOR_CLASSES:
            raise _refused(f'{function.path} of {kind.path}')
        return call(Call(function.path, args))

    return build_one(tree)


def _refused(path: str) -> pickle.UnpicklingError:
    return pickle.UnpicklingError(
        'it holds Python objects, which are not loaded because they could run code or '
        f'are no plain data (GLOBAL {path[:200]})'
    )


def _require(condition: bool, path: str) -> None:
    if not condition:
        raise pickle.UnpicklingError(f'it holds a {path} that is none')


def _value(path: str) -> Any:
    if path not in _VALUES:
        raise _refused(path)
    return _VALUES[path]


def _are_sizes(*sizes: Any) -> bool:
    return all(type(size) is int and 0 <= size < 2**48 for size in sizes)


# -- torch -----------------------------------------------------------------


def _storage(memory_of, kind, key, location, numel, view=None) -> Storage:
    _require(type(kind) is Storage and type(key) is str, STORAGE)
    memory = memory_of(key)
    start, end = 0, numel
    if view is not None:
        _, start, length = view
        end = start + length
    _require(_are_sizes(numel, start, end) and end <= numel, STORAGE)
    _require(numel * kind.itemsize <= len(memory), f'{STORAGE} larger than its data')
    memory = memory[start * kind.itemsize : end * kind.itemsize]
    if kind.dtype is torch.bool:
        _require(memory.tobytes().strip(b'\0\1') == b'', 'boolean tensor')
    return Storage(kind.dtype, memory)


def _tensor(storage, offset, size, stride, grad=False, hooks=None, meta=None):
    """A tensor as ``torch._utils._rebuild_tensor`` and ``_v2`` make it."""
    _require(type(storage) is Storage and storage.dtype is not None, 'tensor')
    return _strided(storage.memory, storage.dtype, offset, size, stride, meta)


def _typed_tensor(
    storage, offset, size, stride, requires_grad, hooks, dtype, meta=None
):
    """A tensor as ``torch._utils._rebuild_tensor_v3`` makes it."""
    _require(type(storage) is Storage and storage.dtype is None, 'tensor')
    _require(type(dtype) is torch.dtype, 'tensor')
    return _strided(storage.memory, dtype, offset, size, stride, meta)


def _strided(memory, dtype, offset, size, stride, meta) -> Tensor:
    _require(isinstance(size, tuple) and type(stride) is tuple, 'tensor')
    _require(len(size) == len(stride) <= 64 and not meta, 'tensor')
    _require(_are_sizes(offset, *size, *stride), 'tensor')
    if 0 in size:
        return torch.empty(size, dtype=dtype)
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    available = len(memory) // dtype.itemsize
    if last >= available:
        raise pickle.UnpicklingError('it holds a tensor that reaches beyond its data')
    if math.prod(size) > available:
        raise pickle.UnpicklingError(
            'it holds an expanded tensor, whose elements share memory: save it after '
            'contiguous()'
        )
    flat = torch.frombuffer(memory, dtype=dtype, count=available)
    return flat.new_empty(0).set_(flat.untyped_storage(), offset, tuple(size), stride)


def _parameter(data, grad=False, hooks=None) -> Tensor:
    """The tensor of a parameter."""
    _require(type(data) is Tensor, 'parameter')
    return data


# -- numpy -----------------------------------------------------------------


def _numpy_dtype(code, align=False, copy=False, *, state=None) -> np.dtype:
    code = _text(code)
    if re.fullmatch('b1|[iu][1248]|f[248]', code) is None:
        raise _refused(f'numpy array of {code!r}')
    if state is None:
        return np.dtype(code)
    _require(type(state) is tuple and len(state) >= 5, 'numpy dtype')
    order = _text(state[1])
    # no parts, no names, no fields: one number
    _require(order in ('<', '>', '|', '=') and not any(state[2:5]), 'numpy dtype')
    return np.dtype(code).newbyteorder(order)


def _text(value) -> str:
    """Text, which Python 2 wrote as bytes."""
    _require(type(value) in (str, bytes), 'text')
    return value if type(value) is str else value.decode('latin1')


def _numpy_array(kind, shape=None, typecode=None, *, state=None) -> np.ndarray:
    _require(kind is np.ndarray and type(state) is tuple, 'numpy array')
    _, shape, dtype, is_fortran, raw = state
    _require(isinstance(dtype, np.dtype) and type(raw) is bytes, 'numpy array')
    _require(type(shape) is tuple and _are_sizes(*shape), 'numpy array')
    _require(math.prod(shape) * dtype.itemsize == len(raw), 'numpy array')
    _require(dtype.kind != 'b' or not raw.strip(b'\0\1'), 'numpy array')
    array = np.frombuffer(bytearray(raw), dtype)
    return array.reshape(shape, order='F' if is_fortran else 'C')


def _numpy_number(dtype, raw) -> np.generic:
    _require(isinstance(dtype, np.dtype), 'numpy number')
    return _numpy_array(np.ndarray, state=(1, (1,), dtype, False, raw))[0]


# -- MMEngine and Python ---------------------------------------------------


def _history_buffer(*, state=None) -> HistoryBuffer:
    _require(type(state) is dict, 'HistoryBuffer')
    values, counts = state.get('_log_history'), state.get('_count_history')
    length = state.get('max_length')
    _require(type(values) is np.ndarray and type(counts) is np.ndarray, 'HistoryBuffer')
    _require(values.ndim == 1 and values.shape == counts.shape, 'HistoryBuffer')
    _require(type(length) is int and len(values) <= length, 'HistoryBuffer')
    return HistoryBuffer(values, counts, length)


def _statistic(owner, name) -> Callable:
    """A statistic that a ``HistoryBuffer`` names by ``getattr``."""
    if owner is not HistoryBuffer or name not in ('min', 'max', 'current', 'mean'):
        raise _refused('builtins.getattr')
    return getattr(owner, name)


def _namespace(*, state=None) -> argparse.Namespace:
    """Options of a program, which DETR and TransVG keep beside the weights."""
    _require(
        type(state) is dict and all(type(key) is str for key in state), 'Namespace'
    )
    return argparse.Namespace(**state)


def _encode(text, encoding='latin1') -> bytes:
    _require(type(text) is str and encoding in ('latin1', 'latin-1'), 'bytes')
    return text.encode('latin1')


def _empty_bytes() -> bytes:
    """What protocol 2 writes for no bytes."""
    return b''


def _bytearray(content=b'', encoding='latin1') -> bytearray:
    _require(type(content) in (bytes, str), 'bytearray')
    return bytearray(content if type(content) is bytes else _encode(content, encoding))


def _set(entries=()) -> set:
    _require(all(type(entry) in (str, bytes, int, float) for entry in entries), 'set')
    return set(entries)


def _complex(real, imag=0.0) -> complex:
    _require(all(type(part) in (int, float) for part in (real, imag)), 'complex')
    return complex(real, imag)


def _size(sizes=()) -> torch.Size:
    _require(type(sizes) in (tuple, list) and _are_sizes(*sizes), 'torch.Size')
    return torch.Size(sizes)


def _device(kind, index=None) -> str:
    """A device as text: it need not be one of this machine."""
    _require(type(kind) is str, 'torch.device')
    return kind if index is None else f'{kind}:{index}'


def _ordered(pairs=()) -> OrderedDict:
    return OrderedDict(_pairs(pairs))


def _counter(counts=()) -> Counter:
    return Counter(dict(_pairs(counts)))


def _pairs(content) -> list[tuple]:
    pairs = list(content.items()) if isinstance(content, dict) else list(content)
    for pair in pairs:
        _require(type(pair) in (tuple, list) and len(pair) == 2, 'dict')
        _require(type(pair[0]) in (str, bytes, int, float, type(None)), 'dict')
    return pairs


_DTYPES = dict(
    Double=torch.float64,
    Float=torch.float32,
    Half=torch.float16,
    BFloat16=torch.bfloat16,
    Long=torch.int64,
    Int=torch.int32,
    Short=torch.int16,
    Char=torch.int8,
    Byte=torch.uint8,
    Bool=torch.bool,
    ComplexFloat=torch.complex64,
    ComplexDouble=torch.complex128,
)
_UNSIGNED = (torch.uint16, torch.uint32, torch.uint64)
_ORDERED = 'collections.OrderedDict'
_VALUES = {
    'numpy.ndarray': np.ndarray,
    'mmengine.logging.history_buffer.HistoryBuffer': HistoryBuffer,
    'torch.storage.UntypedStorage': Storage(None, memoryview(b'')),
    **{str(dtype): dtype for dtype in (*_DTYPES.values(), *_UNSIGNED)},
    **{
        f'{module}.{name}Storage': Storage(dtype, memoryview(b''))
        for module in ('torch', 'torch.cuda')
        for name, dtype in _DTYPES.items()
    },
}
_WITH_ITEMS = {_ORDERED: _ordered, 'collections.Counter': _counter}
_WITH_STATE = {
    'numpy.dtype': _numpy_dtype,
    'numpy._core.multiarray._reconstruct': _numpy_array,
    'mmengine.logging.history_buffer.HistoryBuffer': _history_buffer,
    'argparse.Namespace': _namespace,
}
_TENSORS = {
    'torch._utils._rebuild_tensor': _tensor,
    'torch._utils._rebuild_tensor_v2': _tensor,
    'torch._utils._rebuild_tensor_v3': _typed_tensor,
    'torch._utils._rebuild_parameter': _parameter,
}
_TENSOR_CLASSES = ('torch.Tensor', 'torch.nn.parameter.Parameter')
_CALLS = {
    **_TENSORS,
    'torch.Size': _size,
    'torch.device': _device,
    'numpy._core.multiarray.scalar': _numpy_number,
    'builtins.getattr': _statistic,
    'builtins.set': _set,
    'builtins.complex': _complex,
    'builtins.bytes': _empty_bytes,
    'builtins.bytearray': _bytearray,
    '_codecs.encode': _encode,
}
