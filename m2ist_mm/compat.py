"""Refuses, with one clear error, a package that is too old or too new."""

import importlib

from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version


def check_version(name: str, wanted: str, install: str) -> None:
    """Check an importable module's own version.

    The module is asked for its ``__version__``, never the installer's records: forks
    are distributed under other names but import under the same one.

    Args:
        name (str): Name that the module is imported by.
        wanted (str): Accepted versions, such as ``'>=2.0.0,<3.0'``.
        install (str): Command that installs an accepted version.

    Raises:
        ImportError: The module is missing, cannot be imported, or has a version
            outside ``wanted``.
    """
    remedy = f'm2ist_mm needs {name}{wanted}. To install it: {install}'
    try:
        found = importlib.import_module(name).__version__
    except ModuleNotFoundError as error:
        raise ImportError(f'{error}. {remedy}') from error
    except (ImportError, AssertionError) as error:
        # mmdet asserts the version of mmcv when it is imported.
        raise ImportError(f'{name} cannot be imported: {error} {remedy}') from error
    try:
        # The base version: '2.1.0a0+nv23' and '2.13.0+cpu' count as 2.1.0 and 2.13.0.
        accepted = Version(found).base_version in SpecifierSet(wanted)
    except InvalidVersion:
        accepted = False
    if not accepted:
        raise ImportError(f'{name} {found} is installed, but {remedy}')
