"""Print what this interpreter lacks for m2ist_mm, a line each; exit code 1 if any.

Written for tools/setup_env.sh. With --quick nothing heavy is imported: a fifth of a
second instead of ten.
"""

import argparse
import importlib
import importlib.util
import re
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROLES = ('build', 'runtime', 'demo', 'export', 'optional', 'tests')


def lacking(quick: bool) -> list[str]:
    """What is missing: names of packages, or an error each.

    mmengine, mmcv and mmdet are looked for by import name, because their forks are
    distributed under other names.
    """
    missing = [name for name in required_names() if not is_installed(name)]
    missing += [name for name in ('mmengine', 'mmdet') if folder_of(name) is None]
    mmcv = folder_of('mmcv')
    if mmcv is None or not any(mmcv.glob('_ext*')):
        missing.append('mmcv with compiled ops')
    own = folder_of('m2ist_mm')
    if own is None:
        missing.append('m2ist_mm')
    elif own != ROOT / 'm2ist_mm':
        missing.append(f'm2ist_mm of this folder (installed: {own})')
    if missing or quick:
        return missing
    for name in ('mmcv.ops', 'm2ist_mm'):  # the second checks all versions
        try:
            importlib.import_module(name)
        except Exception as error:
            missing.append(f'{name} cannot be imported: {error}')
    return missing


def required_names() -> list[str]:
    """Names of the distributions in the requirements of :data:`ROLES`."""
    text = '\n'.join(
        (ROOT / 'requirements' / f'{role}.txt').read_text(encoding='utf-8')
        for role in ROLES
    )
    return re.findall(r'^[A-Za-z0-9][\w.-]*', text, re.MULTILINE)


def is_installed(distribution: str) -> bool:
    """Whether the installer's records name this distribution."""
    try:
        version(distribution)
    except PackageNotFoundError:
        return False
    return True


def folder_of(module: str) -> Path | None:
    """Folder of a package, found without importing it."""
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).resolve().parent


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--quick', action='store_true', help='import nothing heavy')
    missing = lacking(parser.parse_args().quick)
    print(*missing, sep='\n', end='\n' if missing else '')
    return 1 if missing else 0


if __name__ == '__main__':
    sys.exit(main())
