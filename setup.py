"""Build definition of m2ist_mm; torch, mmengine, mmcv and mmdet come before it."""

import re
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
ROLES = ('optional', 'demo', 'export', 'tests')


def read_version() -> str:
    """Version of the package, read without importing it."""
    text = (ROOT / 'm2ist_mm' / 'version.py').read_text(encoding='utf-8')
    return re.search(r"^__version__ = '(.+)'$", text, re.MULTILINE).group(1)


def read_requirements(role: str) -> list[str]:
    """Requirements in ``requirements/<role>.txt``, without the comments."""
    path = ROOT / 'requirements' / f'{role}.txt'
    lines = path.read_text(encoding='utf-8').splitlines()
    return [bare for line in lines if (bare := line.partition('#')[0].strip())]


class BuildWithConfigs(build_py):
    """Puts configs, model index and small weights into ``m2ist_mm/.mim`` of a wheel.

    MMEngine looks for them there, as in all packages of OpenMMLab. An editable
    installation reads those of the clone.
    """

    def run(self) -> None:
        """Build the package, then copy what lies beside it in the clone."""
        super().run()
        if self.editable_mode:
            return
        mim = Path(self.build_lib, 'm2ist_mm', '.mim')
        shutil.rmtree(mim, ignore_errors=True)  # of an earlier build
        for name in ('configs', 'weights'):
            shutil.copytree(
                ROOT / name, mim / name, ignore=shutil.ignore_patterns('__pycache__')
            )
        shutil.copy2(ROOT / 'model-index.yml', mim)


if __name__ == '__main__':
    extras = {role: read_requirements(role) for role in ROLES}
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
        cmdclass=dict(build_py=BuildWithConfigs),
        packages=find_packages(include=['m2ist_mm', 'm2ist_mm.*']),
        package_data={
            'm2ist_mm': ['**/templates/*.html', 'web/*.css', 'web/photographs/*']
        },
        python_requires='>=3.10',
        install_requires=read_requirements('runtime'),
        extras_require=extras,
        zip_safe=False,
    )
