import json

import pytest
from mmdet.registry import DATASETS

from m2ist_mm.datasets.carved_split import carve_split


def rows():
    return [
        dict(image=f'{image}.jpg', split='train' if image < 6 else 'val', sent_id=k)
        for k, image in enumerate([*range(8), *range(8)])
    ]


def test_all_expressions_of_an_image_move_together():
    expressions = rows()
    carve_split(expressions, 'dev', 'train', images=2, seed=1)
    images = {split: set() for split in ('train', 'dev', 'val')}
    for expression in expressions:
        images[expression['split']].add(expression['image'])
    assert [len(own) for own in images.values()] == [4, 2, 2]
    assert not images['dev'] & images['train']


def test_the_draw_does_not_depend_on_the_order_of_the_rows():
    def drawn(expressions, seed):
        carve_split(expressions, 'dev', 'train', images=2, seed=seed)
        return {e['image'] for e in expressions if e['split'] == 'dev'}

    assert drawn(rows(), 1) == drawn(rows()[::-1], 1)
    assert len({frozenset(drawn(rows(), seed)) for seed in range(9)}) > 1


@pytest.mark.parametrize(
    ('rule', 'message'),
    [
        (dict(name='dev', source='train', images=6), '6 images cannot be carved out'),
        (dict(name='val', source='train', images=1), "a split 'val' already"),
    ],
)
def test_what_cannot_be_carved_is_refused(rule, message):
    with pytest.raises(ValueError, match=message):
        carve_split(rows(), **rule)


def test_dataset_reads_the_carved_split_and_the_rest(tmp_path):
    content = [
        dict(row, expression='one', bbox=[0, 0, 5, 5], width=9, height=9)
        for row in rows()
    ]
    (tmp_path / 'all.json').write_text(json.dumps(content))

    def images(split):
        dataset = DATASETS.build(
            dict(
                type='RECFileDataset',
                file_format='rows',
                data_root=str(tmp_path),
                ann_file='all.json',
                split=split,
                check_images=False,
                carve=dict(dev=dict(source='train', images=2)),
                pipeline=[],
            )
        )
        return {dataset.get_data_info(i)['img_path'] for i in range(len(dataset))}

    assert len(images('dev')) == 2 and len(images('train')) == 4
    assert not images('dev') & images('train')
