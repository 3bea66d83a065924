"""Build definition of m2ist_mm; torch, mmengine, mmcv and mmdet come before it."""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).resolve().parent


def read_version() -> str:
    """Version of the package, read without importing it."""
    text = (ROOT / 'm2ist_mm' / 'version.py').read_text(encoding='utf-8')
    return re.search(r"^__version__ = '(.+)'$", text, re.MULTILINE).group(1)


def read_requirements(role: str) -> list[str]:
    """Requirements in ``requirements/<role>.txt``, without the comments."""
    path = ROOT / 'requirements' / f'{role}.txt'
    lines = path.read_text(encoding='utf-8').splitlines()
    return [bare for line in lines if (bare := line.partition('#')[0].strip())]


if __name__ == '__main__':
    extras = {role: read_requirements(role) for role in ('optional', 'demo', 'tests')}
    extras['all'] = sum(extras.values(), [])
    extras['mminstall'] = read_requirements('mminstall')
    readme = ROOT / 'README.md'
    setup(
        name='m2ist_mm',
        version=read_version(),
        description='Referring expression comprehension by multi-modal side-tuning',
        long_description=readme.read_text(encoding='utf-8') if readme.exists() else '',
        long_description_content_type='text/markdown',
        license='Apache-2.0',
        packages=find_packages(include=['m2ist_mm', 'm2ist_mm.*']),
        python_requires='>=3.10',
        install_requires=read_requirements('runtime'),
        extras_require=extras,
        zip_safe=False,
    )
