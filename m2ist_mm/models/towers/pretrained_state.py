"""Reading pre-trained weights from files, URLs, folders and the model hub."""

import re
from pathlib import Path
from urllib.parse import urlparse

from huggingface_hub import hf_hub_download
from safetensors.torch import load_file
from torch import Tensor

from ...checkpoints import load_state_file
from ...checkpoints.fetched_file import load_fetched
from ...checkpoints.state_checks import check_state
from .pretrained import split_revision

_HUB_NAME = re.compile(r'[\w.-]+/[\w.-]+(@[\w.-]+)?')
_SAFE_FILE = 'model.safetensors'


def load_pretrained_state(name: str) -> dict[str, Tensor]:
    """Read a state dict without running code from its file.

    Args:
        name: One of

            - a checkpoint file of torch;
            - a URL of one, see :func:`fetch`;
            - a file ``*.safetensors``, or a folder with ``model.safetensors``, as
              transformers saves it;
            - a name on the model hub, ``'facebook/detr-resnet-50'`` or
              ``'NAME@REVISION'``.

    Raises:
        FileNotFoundError: It is not there, or cannot be fetched.
        ValueError: It cannot be read, or has another hash than its name says.
    """
    if urlparse(name).scheme in ('http', 'https'):
        return load_fetched(name, load_state_file)
    path = Path(name)
    if path.is_dir():
        path /= _SAFE_FILE
    if path.suffix == '.safetensors':
        return _load_safetensors(path)
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
        state = load_file(path)
    except Exception as error:  # safetensors' own class, which is no ValueError
        raise ValueError(
            f'{str(path)!r} cannot be read as a checkpoint ({_first_line(error)})'
        ) from error
    check_state(state, str(path))
    return state


def _first_line(error: Exception) -> str:
    return str(error).strip().partition('\n')[0] or type(error).__name__
