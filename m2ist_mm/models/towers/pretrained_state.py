"""Reading pre-trained weights from files, URLs, folders and the model hub."""

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlparse

import torch
from huggingface_hub import hf_hub_download
from safetensors.torch import load_file
from torch import Tensor

from ...checkpoints import file_sha256, load_state_file
from .pretrained import split_revision

_TIMEOUT_S = 20
# the model zoos end a file's name with the first digits of its sha256
_HASH = re.compile(r'-([0-9a-f]{8,})\.\w+$')
_HUB_NAME = re.compile(r'[\w.-]+/[\w.-]+(@[\w.-]+)?')
_SAFE_FILE = 'model.safetensors'


def load_pretrained_state(name: str) -> dict[str, Tensor]:
    """Read a state dict without running code from its file.

    Args:
        name: One of

            - a checkpoint file of torch;
            - a URL of one, which is kept in torch hub's folder (``TORCH_HOME``); a hash
              in its name is checked, also of a file that was fetched before;
            - a folder with ``model.safetensors``, as transformers saves it;
            - a name on the model hub, ``'facebook/detr-resnet-50'`` or
              ``'NAME@REVISION'``.

    Raises:
        FileNotFoundError: It is not there, or cannot be fetched.
        ValueError: It cannot be read, or has another hash than its name says.
    """
    if urlparse(name).scheme in ('http', 'https'):
        return load_state_file(_fetch(name))
    path = Path(name)
    if path.is_dir():
        return _load_safetensors(path / _SAFE_FILE)
    if not path.exists() and not path.suffix and _HUB_NAME.fullmatch(name):
        repository, revision = split_revision(name)
        try:
            found = hf_hub_download(repository, _SAFE_FILE, revision=revision)
        except Exception as error:  # the hub has no common class of errors
            raise FileNotFoundError(
                f'{name!r} is no file, and could not be fetched from the model hub '
                f'({_first_line(error)})'
            ) from error
        return _load_safetensors(Path(found))
    return load_state_file(name)


def _load_safetensors(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise FileNotFoundError(f'no checkpoint file {str(path)!r}')
    try:
        return load_file(path)
    except Exception as error:  # safetensors' own class, which is no ValueError
        raise ValueError(
            f'{str(path)!r} cannot be read as a checkpoint ({_first_line(error)})'
        ) from error


def _fetch(url: str) -> str:
    """Fetch a file, unless it was fetched before, and check its hash."""
    name = Path(urlparse(url).path).name
    path = Path(torch.hub.get_dir(), 'checkpoints', name)
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with _timeout(_TIMEOUT_S):
                torch.hub.download_url_to_file(url, str(path), progress=False)
        except OSError as error:
            raise FileNotFoundError(
                f'{url} cannot be fetched ({_first_line(error)}); what was fetched '
                f'elsewhere may be put into {path.parent}'
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


def _first_line(error: Exception) -> str:
    return str(error).strip().partition('\n')[0] or type(error).__name__
