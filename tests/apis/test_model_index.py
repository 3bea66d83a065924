"""Configs and checkpoints by their names in the model index."""

from pathlib import Path

import pytest

from m2ist_mm.apis import DEFAULT_MODEL, find_config, find_weights


def test_config_is_found_by_its_name():
    path = find_config('m2ist_r50_refcoco')
    assert path.endswith('configs/m2ist/m2ist_r50_refcoco.py')
    assert find_config(path) == path
    with pytest.raises(FileNotFoundError, match='model index has no such name'):
        find_config('m2ist_r51_refcoco')


def test_weights_are_found_by_the_name_alone():
    assert Path(find_weights(DEFAULT_MODEL)).name == f'{DEFAULT_MODEL}.pth'
    for other in ('m2ist_r50_refcoco', find_config(DEFAULT_MODEL)):
        with pytest.raises(
            ValueError, match='has no weights of .*: name the checkpoint'
        ):
            find_weights(other)
