"""Images by what annotation files call them."""

from pathlib import Path

import pytest

from m2ist_mm.datasets import DatasetError
from m2ist_mm.fit.data.image_finder import (
    ImageFinder,
    lies_elsewhere,
    names_of_others,
)


@pytest.fixture
def finder(tmp_path):
    for name in (
        'images/a.jpg',
        'images/My Dog (2).JPG',
        'train/b.jpg',
        'val/b.jpg',
        'images/IMG_3.jpg',
        'images/IMG (4).jpg',
        'train/img_4.jpg',
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
        ('My_Dog_(2).jpg', ['images/My Dog (2).JPG']),
        ('images/IMG (3).jpg', []),
        ('IMG 3.jpg', []),
        ('IMG_4.jpg', ['train/img_4.jpg']),
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


def test_a_name_that_is_too_long_is_of_no_image(finder):
    assert finder.find([f'image/png;base64,{"A" * 5000}'], finder.folder) == []


def test_a_folder_behind_a_link_is_searched_once(finder, tmp_path):
    outside = tmp_path.parent / 'outside'
    outside.mkdir(exist_ok=True)
    (outside / 'd.jpg').touch()
    (finder.folder / 'linked').symlink_to(outside)
    (finder.folder / 'again').symlink_to(outside)
    (finder.folder / 'images' / 'round').symlink_to(finder.folder)
    linked = ImageFinder(finder.folder)
    assert linked.find(['d.jpg'], finder.folder) == [finder.folder / 'again' / 'd.jpg']
    assert linked.find(['a.jpg'], finder.folder) == [finder.folder / 'images' / 'a.jpg']


@pytest.mark.parametrize(
    ('names', 'others'),
    [
        (['a/1.jpg', 'b/1.jpg'], ['b/1.jpg']),
        (['c/1.jpg', 'b/1.jpg'], ['c/1.jpg', 'b/1.jpg']),
        (['a/1.jpg', '1.jpg', '/data/a/1.jpg', 'A\\1.JPG'], []),
        (['1a2b3c4d-1.jpg', '5a6b7c8d-1.jpg'], ['1a2b3c4d-1.jpg', '5a6b7c8d-1.jpg']),
        (['1a2b3c4d-1.jpg', '1.jpg'], []),
        (['./a/1.jpg', 'a\\1.jpg'], []),
        (['(1).jpg', 'a/1.jpg'], ['(1).jpg']),
        (['b/1.jpg'], []),
    ],
)
def test_two_folders_are_two_images(names, others):
    found = names_of_others(names, Path('/data/a/1.jpg'))
    assert list(found) == others
    assert all(other in names and other != name for name, other in found.items())


@pytest.mark.parametrize(
    ('names', 'file'),
    [
        (['my%20dog.jpg', 'my dog.jpg'], 'my dog.jpg'),
        (['my dog.jpg', '1a2b3c4d-my_dog.jpg'], 'my dog.jpg'),
        (['COCO_train2014_000000000009.jpg', '000000000009.jpg'], '000000000009.jpg'),
    ],
)
def test_one_image_may_be_named_in_several_ways(names, file):
    assert names_of_others(names, Path('/data', file)) == {}


@pytest.mark.parametrize(
    ('name', 'path', 'elsewhere'),
    [
        ('images/0.jpg', 'thumbs/0.jpg', True),
        ('my_dog.jpg', 'my dog.jpg', True),
        ('0.jpg', 'images/0.jpg', False),
        ('/home/me/images/0.jpg', 'images/0.JPG', False),
        ('images\\0.jpg', '0.jpg', False),
        ('../0.jpg', 'images/0.jpg', False),
        ('1a2b3c4d-my_dog.jpg', 'images/my dog.jpg', False),
        ('000000000009.jpg', 'COCO_val2014_000000000009.jpg', False),
    ],
)
def test_other_folders_and_names_are_elsewhere(name, path, elsewhere):
    root = Path('/data/mine')
    assert lies_elsewhere(name, root / path, root) is elsewhere
