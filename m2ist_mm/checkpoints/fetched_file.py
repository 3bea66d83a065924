"""Checkpoint files that are fetched by URL."""

import hashlib
import os
import re
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar
from urllib.parse import urlparse

import torch

from ..download import download
from .identity import file_sha256

T = TypeVar('T')
# the model zoos end a file's name with the first digits of its sha256
_HASH = re.compile(r'-([0-9a-f]{8,})\.\w+$')


def load_fetched(url: str, load: Callable[[str], T]) -> T:
    """Fetch a file, unless it was fetched before, and load it.

    Args:
        url: See :func:`fetch`.
        load: Reads the file with the path that it is given.

    Raises:
        FileNotFoundError, ValueError: As :func:`fetch` and ``load``.
    """
    path = fetch(url)
    try:
        return load(path)
    except ValueError as error:
        raise ValueError(
            f'{error}. It was fetched from {url}; delete it, and it is fetched again'
        ) from error


def fetch(url: str) -> str:
    """Fetch a file into torch hub's folder (``TORCH_HOME``), unless it is there.

    A hash in its name is checked, also of a file that was fetched before. A file
    without one is named by a hash of the URL, too.

    Args:
        url: Where it is, by http or https.

    Returns:
        Its path.

    Raises:
        FileNotFoundError: It cannot be fetched.
        ValueError: It has another sha256 than its name says, or the URL names no file.
    """
    name = urlparse(url).path.rpartition('/')[2]
    if name in ('', '.', '..'):
        raise ValueError(f'{url} names no file: give the URL of a checkpoint')
    digits = _HASH.search(name)
    if not digits:
        name = f'{hashlib.sha256(url.encode()).hexdigest()[:8]}_{name}'
    path = Path(torch.hub.get_dir(), 'checkpoints', name)
    if not path.is_file():
        _fetch(url, path)
    if digits and not file_sha256(path).startswith(digits[1]):
        raise ValueError(
            f'{path} has not the sha256 that its name says ({digits[1]}...): the file '
            'is damaged; delete it, and it is fetched again'
        )
    return str(path)


def _fetch(url: str, path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # a folder of its own: several processes may fetch the file at once
        with TemporaryDirectory(dir=path.parent) as folder:
            download([url], Path(folder, path.name))
            os.replace(Path(folder, path.name), path)
    except OSError as error:
        raise FileNotFoundError(
            f'{error}; what was fetched elsewhere may be put at {path}'
        ) from error
