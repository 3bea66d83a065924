import pytest


@pytest.fixture
def images(mini_refcoco):
    """The two images of val."""
    folder = mini_refcoco / 'train2014'
    return [str(folder / f'COCO_train2014_{number:012d}.jpg') for number in (3, 4)]
