"""Whoever deletes the folder and the lines of the config has a working package."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import m2ist_mm

PACKAGE = Path(m2ist_mm.__file__).parent
STEP = """
import sys

# that of an editable installation would find the folder elsewhere
sys.meta_path = [
    finder for finder in sys.meta_path if 'editable' not in finder.__module__
]
import m2ist_mm
from m2ist_mm.config import load_config_file
from mmdet.registry import DATASETS, MODELS
from mmengine.dataset import pseudo_collate
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope

config = load_config_file(sys.argv[1])
init_default_scope('mmdet')
model = MODELS.build(config.model)
model.init_weights()
dataset = DATASETS.build(config.train_dataloader.dataset)
optimizer = build_optim_wrapper(model, config.optim_wrapper)
batch = pseudo_collate([dataset[0], dataset[1]])
losses = model.train().train_step(batch, optimizer)
print(m2ist_mm.__file__, losses['loss'].item())
"""


@pytest.fixture(scope='module')
def run(tmp_path_factory):
    """Runs a program on a package without the folder."""
    copied = tmp_path_factory.mktemp('without')
    shutil.copytree(
        PACKAGE,
        copied / 'm2ist_mm',
        ignore=shutil.ignore_patterns('feature_cache', '__pycache__'),
    )

    def run(config):
        return subprocess.run(
            [sys.executable, '-c', STEP, str(config)],
            env=os.environ | dict(PYTHONPATH=str(copied)),
            cwd=copied,
            capture_output=True,
            text=True,
        )

    run.place = copied
    return run


@pytest.mark.slow
def test_package_trains_without_the_folder(run, nano_path):
    done = run(nano_path)
    assert done.returncode == 0, done.stderr
    place, loss = done.stdout.split()[-2:]
    assert Path(place).parent == run.place / 'm2ist_mm'
    assert float(loss) > 0


@pytest.mark.slow
def test_config_that_names_the_cache_says_what_is_missing(run, nano_path, tmp_path):
    config = tmp_path / 'cached.py'
    config.write_text(
        f'_base_ = {str(nano_path)!r}\n'
        "custom_imports = dict(imports=['m2ist_mm', 'm2ist_mm.feature_cache'])\n"
    )
    done = run(config)
    assert done.returncode != 0
    assert 'ImportError: Failed to import m2ist_mm.feature_cache' in done.stderr


def test_nothing_outside_imports_the_package():
    importers = [
        path
        for path in PACKAGE.rglob('*.py')
        if path.parent.name != 'feature_cache'
        and any(
            'feature_cache' in line
            for line in path.read_text().splitlines()
            if line.lstrip().startswith(('from ', 'import '))
        )
    ]
    assert importers == []
