import pytest

from m2ist_mm.apis import RECInferencer


@pytest.fixture(scope='session')
def inferencer(nano):
    return RECInferencer(*nano, device='cpu', show_progress=False)
