"""Images by what annotation files call them."""

import pytest

from m2ist_mm.datasets import DatasetError
from m2ist_mm.fit.data.image_finder import ImageFinder


@pytest.fixture
def finder(tmp_path):
    for name in (
        'images/a.jpg',
        'images/My Dog (2).JPG',
        'train/b.jpg',
        'val/b.jpg',
        'images/gr\u00fc\u00df.png',
        'images/100%25.png',
        '.hidden/c.jpg',
    ):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    return ImageFinder(tmp_path)


@pytest.mark.parametrize(
    ('name', 'found'),
    [
        ('images/a.jpg', ['images/a.jpg']),
        ('a.jpg', ['images/a.jpg']),
        ('/somewhere/else/a.jpg', ['images/a.jpg']),
        ('C:\\photos\\a.jpg', ['images/a.jpg']),
        ('../images/a.jpg', ['images/a.jpg']),
        ('A.JPG', ['images/a.jpg']),
        ('my_dog_2.jpg', ['images/My Dog (2).JPG']),
        ('gru\u0308\u00df.png', ['images/gr\u00fc\u00df.png']),
        ('100%25.png', ['images/100%25.png']),
        ('val/b.jpg', ['val/b.jpg']),
        ('data/val/b.jpg', ['val/b.jpg']),
        ('b.jpg', ['train/b.jpg', 'val/b.jpg']),
        ('c.jpg', []),
        ('', []),
        ('/', []),
    ],
)
def test_names(finder, name, found):
    paths = finder.find([name], finder.folder / 'annotations')
    assert [path.relative_to(finder.folder).as_posix() for path in paths] == found


def test_the_first_name_that_is_there_is_taken(finder):
    (path,) = finder.find(['none.jpg', 'images/a.jpg', 'b.jpg'], finder.folder)
    assert path.name == 'a.jpg'


def test_folder_must_have_images(tmp_path):
    with pytest.raises(DatasetError, match='no image in it .*image_root'):
        ImageFinder(tmp_path)
    with pytest.raises(DatasetError, match='no such image folder; check image_root'):
        ImageFinder(tmp_path / 'none')
