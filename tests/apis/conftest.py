"""Towers other than those of the tiny trained model."""

import pytest
from mmengine.registry import init_default_scope


@pytest.fixture(scope='session')
def other_towers(write_nano_config, mini_refcoco, tmp_path_factory):
    """The same config with towers of other weights."""
    init_default_scope('mmdet')
    return write_nano_config(tmp_path_factory.mktemp('other'), mini_refcoco, seed=7)
