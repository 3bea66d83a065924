"""Checkpoint files that are fetched by URL."""

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlparse

import torch

from .identity import file_sha256

_TIMEOUT_S = 20
# the model zoos end a file's name with the first digits of its sha256
_HASH = re.compile(r'-([0-9a-f]{8,})\.\w+$')


def fetch(url: str) -> str:
    """Fetch a file into torch hub's folder (``TORCH_HOME``), unless it is there.

    Args:
        url: Where it is, by http or https.

    Returns:
        Its path.

    Raises:
        FileNotFoundError: It cannot be fetched.
        ValueError: It has another sha256 than its name says.
    """
    name = Path(urlparse(url).path).name
    path = Path(torch.hub.get_dir(), 'checkpoints', name)
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with _timeout(_TIMEOUT_S):
                torch.hub.download_url_to_file(url, str(path), progress=False)
        except OSError as error:
            reason = str(error).strip().partition('\n')[0] or type(error).__name__
            raise FileNotFoundError(
                f'{url} cannot be fetched ({reason}); what was fetched elsewhere may '
                f'be put into {path.parent}'
            ) from error
    digits = _HASH.search(name)
    if digits and not file_sha256(path).startswith(digits[1]):
        raise ValueError(
            f'{path} has not the sha256 that its name says ({digits[1]}...): the file '
            'is damaged; delete it, and it is fetched again'
        )
    return str(path)


@contextmanager
def _timeout(seconds: float) -> Iterator[None]:
    """Let sockets fail that wait longer; torch's download has no such argument."""
    previous = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(previous)
