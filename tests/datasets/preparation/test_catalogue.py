from pathlib import Path

import pytest

from m2ist_mm.config import iter_dataset_configs, load_config_file
from m2ist_mm.datasets import PUBLISHED_COUNTS
from m2ist_mm.datasets.preparation import DATA_SETS

CONFIGS = Path(__file__).parents[3] / 'configs' / '_base_' / 'datasets'


def load(name):
    return load_config_file(CONFIGS / f'{name}.py')


def test_every_published_data_set_can_be_prepared():
    keys = {load(name).dataset.expected_count for name in DATA_SETS}
    assert keys == set(PUBLISHED_COUNTS)


@pytest.mark.parametrize('name', DATA_SETS)
def test_files_are_those_that_the_config_reads(name):
    config = load(name)
    read = set()
    for _, dataset in iter_dataset_configs(config):
        splits = dataset.split if isinstance(dataset.split, list) else [dataset.split]
        read |= {dataset.ann_file.replace('{split}', split) for split in splits}
        read |= {dataset.data_prefix.img, dataset.get('refs_file', dataset.ann_file)}
    named = {file for part in DATA_SETS[name].parts for file in part.files}
    assert named == {file for file in read if '{split}' not in file}


def place(name, part, member):
    return DATA_SETS[name].parts[part].place(member)


@pytest.mark.parametrize(
    ('name', 'part', 'member', 'target'),
    [
        ('refcoco', 0, 'refcoco/refs(unc).p', 'refcoco/refs(unc).p'),
        ('refcoco', 0, 'data/refcoco/instances.json', 'refcoco/instances.json'),
        ('refcoco', 0, 'refcoco+/instances.json', None),
        ('refcoco', 0, 'refcoco/refs(google).p', None),
        ('refcoco', 0, '__MACOSX/refcoco/instances.json', None),
        ('refcoco', 1, 'train2014/COCO_1.jpg', 'train2014/COCO_1.jpg'),
        ('refcoco', 1, 'train2014/._COCO_1.jpg', None),
        ('referit', 0, 'data/referit/referit_val.pth', 'referit_val.pth'),
        ('referit', 0, 'data/flickr/flickr_val.pth', None),
        ('referit', 1, './images/1.jpg', 'images/1.jpg'),
        ('referit', 1, 'referitdata/images/1.jpg', 'images/1.jpg'),
        ('flickr30k', 1, 'flickr30k-images/1.jpg', 'flickr30k-images/1.jpg'),
    ],
)
def test_a_file_of_an_archive_goes_where_the_config_looks(name, part, member, target):
    assert place(name, part, member) == target


def test_addresses_are_those_of_the_archives():
    for dataset in DATA_SETS.values():
        for part in dataset.parts:
            assert all(url.startswith(('http://', 'https://')) for url in part.urls)
            assert all(url.endswith('/' + part.archives[0]) for url in part.urls)
