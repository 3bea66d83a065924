"""A config whose training step takes milliseconds."""

import runpy
from pathlib import Path

import pytest

from m2ist_mm.config import load_config_file

write_nano_config = runpy.run_path(
    str(Path(__file__).resolve().parents[1] / 'nano_config.py')
)['write_nano_config']


@pytest.fixture(scope='session')
def nano_path(mini_refcoco, tmp_path_factory):
    return write_nano_config(tmp_path_factory.mktemp('nano'), mini_refcoco)


@pytest.fixture
def nano_config(nano_path):
    return load_config_file(nano_path)
