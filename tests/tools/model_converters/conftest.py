import os

import pytest


class Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.fixture
def bomb(tmp_path):
    """Object that makes the folder ``ran`` in ``tmp_path`` when it is unpickled."""
    return Bomb(tmp_path / 'ran')
