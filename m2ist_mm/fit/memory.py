"""Memory: what there is, and how it is written."""

import ctypes
import gc
import math
import re
import sys
from contextlib import suppress
from pathlib import Path

import torch

_UNITS = {'K': 10**3, 'M': 10**6, 'G': 10**9, 'T': 10**12}
_BINARY = {'K': 2**10, 'M': 2**20, 'G': 2**30, 'T': 2**40}
_GROUP = Path('/sys/fs/cgroup')
_MOST = 10**15  # bytes; a larger number was meant in bytes, not in GB
# what a process holds on a GPU before its first tensor: context and kernels
CUDA_RUNTIME = 600 * 10**6


def parse_bytes(text: str) -> int:
    """Read a size: ``8GB``, ``7.5 GiB``, ``900MB``; a number alone is in GB.

    Raises:
        ValueError: It is none.
    """
    match = re.fullmatch(r'\s*(\d+(?:\.\d+)?)\s*(?:([KMGT])(I?)B?)?\s*', text.upper())
    size = 0
    if match is not None:
        unit = (_BINARY if match[3] else _UNITS)[match[2] or 'G']
        size = int(float(match[1]) * unit)
    if not 0 < size < _MOST:
        raise ValueError(f'--memory {text}: write a size as 8GB, 7.5GiB or 900MB')
    return size


def format_bytes(size: float) -> str:
    """``'7.45 GB'``, or ``'12 MB'`` below a tenth of a GB."""
    if size < 10**8:
        return f'{size / 10**6:,.0f} MB'
    return f'{size / 10**9:,.2f} GB'


def free_memory(device: str) -> int:
    """Bytes that are free: of the GPU, or of the machine or container.

    Args:
        device: ``'cuda'`` or ``'cpu'``.

    Raises:
        OSError: The system does not say how much.
    """
    if device == 'cuda':
        return torch.cuda.mem_get_info()[0]
    free = bytes_in_proc('meminfo', 'MemAvailable')
    if free is None:
        raise OSError('how much memory is free cannot be read: give --memory')
    return min(free, _free_in_group())


def bytes_in_proc(file: str, name: str) -> int | None:
    """Bytes that a file of ``/proc`` states under a name; ``None`` if it does not."""
    try:
        content = Path('/proc', file).read_text()
    except OSError:  # a process that is over, or no Linux
        return None
    found = re.search(rf'^{name}:\s+(\d+) kB', content, re.M)
    return found and int(found[1]) * 1024


def _free_in_group() -> float:
    """Bytes that are free in the control group, as of a container; without, inf."""
    for part, most, used in (
        ('', 'memory.max', 'memory.current'),
        ('memory', 'memory.limit_in_bytes', 'memory.usage_in_bytes'),
    ):
        folder = _GROUP / part
        try:
            free = int((folder / most).read_text()) - int((folder / used).read_text())
            cached = re.search(
                r'^(?:total_)?inactive_file (\d+)',
                (folder / 'memory.stat').read_text(),
                re.M,
            )
        except (OSError, ValueError):  # there is none, or it has no limit ('max')
            continue
        return free + (int(cached[1]) if cached else 0)
    return math.inf


def runtime_memory(device: str) -> int:
    """Bytes that the program itself needs, before a model is built.

    On a CPU that of this process now; where that cannot be read, as much as on a GPU.
    """
    own = bytes_in_proc('self/status', 'VmRSS') if device == 'cpu' else None
    return own or CUDA_RUNTIME


def release_memory() -> None:
    """Give back to the system what was freed: glibc keeps most of it."""
    gc.collect()
    if sys.platform == 'linux':
        with suppress(AttributeError):  # another C library
            ctypes.CDLL(None).malloc_trim(0)
