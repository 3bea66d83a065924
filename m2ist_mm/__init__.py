"""Referring expression comprehension by multi-modal interactive side-tuning.

Importing this package registers all of its components in mmdet's registries.
"""

import sys

if sys.version_info < (3, 10):  # noqa: UP036
    raise ImportError(
        f'm2ist_mm needs Python >= 3.10, this is {sys.version.split()[0]}: create the '
        'virtual environment with a newer interpreter.'
    )

from .compat import check_version
from .version import __version__

# Module, accepted versions, what installs a good one. The upper bounds of mmengine,
# mmcv and mmdet admit the OneDL forks; mmdet itself may be narrower about mmcv.
SUPPORTED_VERSIONS = (
    ('torch', '>=2.6', 'pip install "torch>=2.6"'),
    ('mmengine', '>=0.10.0,<1.0', 'pip install mmengine==0.10.7'),
    ('mmcv', '>=2.0.0,<3.0', 'pip install --no-build-isolation mmcv==2.1.0'),
    ('mmdet', '>=3.3.0,<4.0', 'pip install mmdet==3.3.0'),
    ('transformers', '>=4.48,<6', 'pip install "transformers>=4.48,<6"'),
)
for _name, _wanted, _install in SUPPORTED_VERSIONS:
    check_version(_name, _wanted, _install)

from . import (  # noqa: E402
    checkpoints,
    config,
    datasets,
    engine,
    evaluation,
    models,
    structures,
    visualization,
)
from .checkpoints import hooks  # noqa: E402, F401  (registers them)

__all__ = [
    '__version__',
    'checkpoints',
    'config',
    'datasets',
    'engine',
    'evaluation',
    'models',
    'structures',
    'visualization',
]
