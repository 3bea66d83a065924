"""Each file format, sound and spoilt in every way."""

import json
import shutil

import cv2
import numpy as np
import pytest
import torch

from m2ist_mm.datasets import DatasetError, RECFileDataset, report_dataset

# image, expression, xyxy box; a.jpg is 100x80, b.jpg 60x90 pixels
EXPRESSIONS = {
    'train': [
        ('a.jpg', 'Left dog', [10, 20, 50, 60]),
        ('a.jpg', 'the dog behind', [40.5, 8, 100, 79.5]),
        ('b.jpg', 'cat', [0, 0, 60, 90]),
    ],
    'val': [('b.jpg', 'cat at the top', [5, 6, 7, 8])],
}


def to_xywh(bbox):
    x1, y1, x2, y2 = bbox
    return [x1, y1, x2 - x1, y2 - y1]


def write_rows(path, rows):
    path.write_text(
        json.dumps([dict(image=i, expression=e, bbox=b) for i, e, b in rows])
    )


def write_row_lines(path, rows):
    lines = [json.dumps(dict(image=i, expression=e, bbox=b)) for i, e, b in rows]
    path.write_text('\n\n'.join(lines) + '\n')


SIZES = {'a.jpg': (100, 80), 'b.jpg': (60, 90)}


def write_odvg(path, rows):
    """As mmdet's refcoco2odvg.py writes it."""
    lines = []
    for image, text, bbox in rows:
        width, height = SIZES.get(image, (50, 50))
        region = dict(bbox=bbox, phrase=text.split(), tokens_positive=[[0, len(text)]])
        grounding = dict(caption=text, regions=[region])
        lines.append(
            json.dumps(
                dict(filename=image, height=height, width=width, grounding=grounding)
            )
        )
    path.write_text('\n'.join(lines) + '\n')


def write_mdetr(path, rows):
    """As MDETR's finetune_refcoco_train.json and final_refexp_val.json are."""
    images, annotations = [], []
    for number, (image, text, bbox) in enumerate(rows):
        width, height = SIZES.get(image, (50, 50))
        images.append(
            dict(
                file_name=image,
                height=height,
                width=width,
                id=40 + number,
                original_id=7 if image == 'a.jpg' else 8,
                caption=text,
                dataset_name='refcoco' if image == 'a.jpg' else 'refcoco+',
                tokens_negative=[[0, len(text)]],
            )
        )
        annotations.append(
            dict(
                area=1.0,
                iscrowd=0,
                image_id=40 + number,
                category_id=1,
                id=90 + number,
                bbox=to_xywh(bbox),
                original_id=3,
                tokens_positive=[[0, len(text)]],
            )
        )
    content = dict(info={}, licenses=[], images=images, annotations=annotations)
    path.write_text(json.dumps({**content, 'categories': [dict(id=1, name='dog')]}))


def write_transvg(path, rows):
    """As the lists of RefCOCO are: legacy torch files of five columns, xywh."""
    content = [
        (image, '1.pth', to_xywh(bbox), text, [('r1', ['dog'])])
        for image, text, bbox in rows
    ]
    torch.save(content, path, _use_new_zipfile_serialization=False)


def write_transvg_arrays(path, rows):
    """As the lists of Flickr30k Entities are: three columns, numpy boxes, xyxy."""
    content = [
        (image, np.array(bbox, dtype=np.float32), text) for image, text, bbox in rows
    ]
    torch.save(content, path, _use_new_zipfile_serialization=False)


FORMATS = {
    'rows': (write_rows, dict(file_format='rows'), '{split}.json'),
    'row_lines': (write_row_lines, dict(file_format='rows'), '{split}.jsonl'),
    'odvg': (write_odvg, dict(file_format='odvg'), 'finetune_{split}_vg.json'),
    'mdetr': (write_mdetr, dict(file_format='mdetr'), 'finetune_refcoco_{split}.json'),
    'transvg': (
        write_transvg,
        dict(file_format='transvg', bbox_form='xywh'),
        'unc_{split}.pth',
    ),
    'transvg_arrays': (
        write_transvg_arrays,
        dict(file_format='transvg', bbox_form='xyxy'),
        'flickr_{split}.pth',
    ),
}


class Folder:
    """A dataset in one format, whose files a test may change."""

    def __init__(self, root, name):
        self.write, self.arguments, self.ann_file = FORMATS[name]
        self.root = root
        (root / 'images').mkdir()
        for image, (width, height) in SIZES.items():
            pixels = np.full((height, width, 3), 128, np.uint8)
            cv2.imwrite(str(root / 'images' / image), pixels)
        for split, rows in EXPRESSIONS.items():
            self.write(self.path(split), rows)

    def path(self, split='train'):
        return self.root / self.ann_file.replace('{split}', split)

    def build(self, split='train', **kwargs):
        return RECFileDataset(
            **{
                'data_root': str(self.root),
                'ann_file': self.ann_file,
                'data_prefix': dict(img='images/'),
                'split': split,
                'serialize_data': False,
                **self.arguments,
                **kwargs,
            }
        )

    def samples(self, *args, **kwargs):
        dataset = self.build(*args, **kwargs)
        return [dataset.get_data_info(index) for index in range(len(dataset))]

    def faults(self, **kwargs):
        with pytest.raises(DatasetError) as caught:
            self.build(**kwargs)
        return caught.value.faults

    def change_text(self, change):
        self.path().write_text(change(self.path().read_text()))


@pytest.fixture(params=FORMATS)
def folder(request, tmp_path):
    return Folder(tmp_path, request.param)


@pytest.fixture
def make_folder(tmp_path):
    return lambda name: Folder(tmp_path, name)


def test_every_format_gives_the_same_samples(folder):
    samples = folder.samples(['train', 'val'])
    expected = [
        (split, image, text.lower(), bbox)
        for split, rows in EXPRESSIONS.items()
        for image, text, bbox in rows
    ]
    found = [
        (
            sample['split'],
            sample['img_path'].rpartition('/')[2],
            sample['text'][0],
            sample['instances'][0]['bbox'],
        )
        for sample in samples
    ]
    assert found == expected
    assert [s['img_path'].startswith(str(folder.root / 'images')) for s in samples]
    for sample in samples:
        size = SIZES[sample['img_path'].rpartition('/')[2]]
        assert (sample['width'], sample['height']) == size
    # expressions of one image share its id, those of others do not
    ids = [sample['img_id'] for sample in samples]
    assert ids[0] == ids[1] and ids[2] == ids[3] and ids[0] != ids[2]


def test_every_format_is_reported(folder):
    (folder.root / 'images' / 'b.jpg').write_bytes(b'no image')
    report = report_dataset(
        dict(
            type='RECFileDataset',
            data_root=str(folder.root),
            ann_file=folder.ann_file,
            data_prefix=dict(img='images/'),
            split='train',
            **folder.arguments,
        )
    )
    assert len(report.faults) == 1
    sizes_are_in_the_file = folder.arguments['file_format'] in ('odvg', 'mdetr')
    assert report.counts['expressions'] == (3 if sizes_are_in_the_file else 2)


def test_images_group_their_expressions(folder):
    samples = folder.samples(['train', 'val'], max_expressions_per_sample=4)
    assert [len(sample['text']) for sample in samples] == [2, 1, 1]


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda row: (row[0], '  ', row[2]), 'the expression is empty'),
        (
            lambda row: (row[0], row[1], [50, 20, 140, 60]),
            r'box \[50.0, 20.0, 140.0, 60.0\] \(xyxy\) leaves the image of 100x80',
        ),
        (lambda row: (row[0], row[1], [50, 20, 50, 60]), 'has no area'),
        (
            lambda row: ('none.jpg', row[1], [1, 2, 3, 4]),
            r'images/none.jpg: no such image, named by .*\(1 of 3 images',
        ),
        (lambda row: (row[0], row[1], [float('nan'), 20, 50, 60]), 'has no area'),
    ],
)
def test_faulty_entry_is_one_line(folder, change, message):
    rows = EXPRESSIONS['train']
    folder.write(folder.path(), [change(rows[0]), *rows[1:]])
    with pytest.raises(DatasetError, match=message) as caught:
        folder.build()
    assert len(caught.value.faults) == 1
    assert str(folder.root) in caught.value.faults[0]
    assert len(folder.build(filter_cfg=dict(skip_faulty=True))) == 2


def test_truncated_file_is_one_line(folder):
    content = folder.path().read_bytes()
    folder.path().write_bytes(content[: len(content) - 25])
    (fault,) = folder.faults()
    assert fault.startswith(str(folder.path()))
    assert 'not a complete JSON' in fault or 'it is damaged' in fault
    assert 'get the original file again' in fault.replace('\n', ' ')


def test_missing_file_is_one_line(folder):
    folder.path().unlink()
    (fault,) = folder.faults()
    assert fault.startswith(f'{folder.path()}: no such file')


@pytest.mark.parametrize('name', ['rows', 'row_lines', 'odvg', 'mdetr'])
def test_file_of_brackets_alone_is_one_line(make_folder, name):
    folder = make_folder(name)
    folder.path().write_text(100_000 * '[')
    (fault,) = folder.faults()
    assert 'not a complete JSON' in fault


@pytest.mark.parametrize('name', ['rows', 'row_lines', 'odvg', 'mdetr'])
def test_byte_order_mark_is_passed_over(make_folder, name):
    folder = make_folder(name)
    folder.path().write_bytes(b'\xef\xbb\xbf' + folder.path().read_bytes())
    assert len(folder.build()) == 3


def test_empty_file_is_an_error(folder):
    folder.write(folder.path(), [])
    (fault,) = folder.faults()
    assert fault == f"{folder.path()}: no sound expression in split 'train'"


def test_broken_image_is_one_line(folder):
    (folder.root / 'images' / 'b.jpg').write_bytes(b'no image')
    dataset_kind = folder.arguments['file_format']
    if dataset_kind in ('odvg', 'mdetr'):  # sizes are in the file
        (fault,) = folder.build().check_decoding()
    else:
        (fault,) = folder.faults()
    assert fault.startswith(f'{folder.root}/images/b.jpg cannot be read as an image')


def test_wrong_count_is_refused(folder):
    (fault,) = folder.faults(expected_count=dict(train=4))
    assert "split 'train' has 3 expressions, not the 4" in fault


WRONG_KEYS = {
    'rows': ('"expression"', '"caption"', "entry 0: has no 'expression'; its keys are"),
    'row_lines': ('"image"', '"file"', "line 1: has no 'image'; its keys are file"),
    'odvg': ('"caption"', '"text"', "line 1: has no 'caption'"),
    'mdetr': ('"caption"', '"text"', "images entry 0: has no 'caption'"),
}


@pytest.mark.parametrize('name', WRONG_KEYS)
def test_wrong_key_is_named(make_folder, name):
    folder = make_folder(name)
    right, wrong, message = WRONG_KEYS[name]
    folder.change_text(lambda text: text.replace(right, wrong, 1))
    (fault,) = folder.faults()
    assert fault.startswith(f'{folder.path()}: {message}')


@pytest.mark.parametrize('name', WRONG_KEYS)
def test_faults_of_all_entries_are_not_told_twice(make_folder, name):
    folder = make_folder(name)
    right, wrong, _ = WRONG_KEYS[name]
    folder.change_text(lambda text: text.replace(right, wrong))
    assert len(folder.faults()) == 3


WRONG_VALUES = {
    'text_box': ('rows', '[10, 20, 50, 60]', '[10, 20, "50", 60]', 'not four numbers'),
    'truth': ('rows', '[10, 20, 50, 60]', '[true, 20, 50, 60]', 'not four numbers'),
    'digits': ('rows', '[10, 20, ', f'[1{400 * "0"}, 20, ', 'not four numbers'),
    'three': ('rows', '[10, 20, 50, 60]', '[10, 20, 50]', 'not four numbers'),
    'number': ('rows', '"Left dog"', '5', "'expression' is 5, not a str"),
    'row': ('row_lines', '{"image": "a.jpg"', '5\n{"image": "a.jpg"', 'is a int, not'),
    'regions': ('odvg', '"regions": [', '"regions": [{}, ', 'no box or several'),
    'boxes': ('odvg', '[10, 20, 50, 60]', '[[1, 2, 3, 4]]', 'no box or several'),
    'no_list': ('mdetr', '"images"', '"images"', "has no list 'images'"),
    'unboxed': ('mdetr', '"image_id": 40', '"image_id": 41', 'has 0 annotations'),
    'stray': ('mdetr', '"image_id": 40', '"image_id": 99', 'id 99: has annotations a'),
    'no_box': ('mdetr', '"bbox"', '"box"', "annotations entry 0: has no 'bbox'"),
    'ids': ('mdetr', '"id": 41', '"id": 40', 'images id 40 occurs 2 times'),
    'box_ids': ('mdetr', '"id": 91', '"id": 90', 'annotations id 90 occurs 2 times'),
}


@pytest.mark.parametrize('case', WRONG_VALUES)
def test_wrong_value_is_named(make_folder, case):
    name, right, wrong, message = WRONG_VALUES[case]
    folder = make_folder(name)
    assert right in folder.path().read_text()
    folder.change_text(lambda text: text.replace(right, wrong, 1))
    with pytest.raises(DatasetError, match=message) as caught:
        folder.build()
    assert str(folder.path()) in caught.value.faults[0]
    # an annotation of another image is one too many there and one too few here
    two_ends = case in ('unboxed', 'stray')
    assert len(caught.value.faults) == 1 + two_ends


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ({'a': 1}, 'holds a dict, not a list'),
        ([5], r'entry 0: is not \(image, mask file, box'),
        ([('a.jpg', [1, 2, 3, 4])], r'entry 0: is not \(image, mask file, box'),
        ([('a.jpg', [1, 2, 3], 'dog')], 'entry 0: .*not four numbers'),
        ([('a.jpg', None, 'dog')], 'entry 0: .*not four numbers'),
        ([('a.jpg', np.eye(2), 'dog')], 'entry 0: .*not four numbers'),
        ([(5, [1, 2, 3, 4], 'dog')], 'its image or its expression is no text'),
    ],
)
def test_wrong_list_is_named(make_folder, content, message):
    folder = make_folder('transvg_arrays')
    torch.save(content, folder.path())
    with pytest.raises(DatasetError, match=message):
        folder.build()


def test_boxes_of_a_list_may_be_tensors_and_tuples(make_folder):
    folder = make_folder('transvg_arrays')
    boxes = [torch.tensor([1, 2, 30, 40]), (1, 2, 30, 40)]
    torch.save([('a.jpg', bbox, 'dog') for bbox in boxes], folder.path())
    assert [s['instances'][0]['bbox'] for s in folder.samples()] == [[1, 2, 30, 40]] * 2


class Payload:
    def __reduce__(self):
        return open, ('touched', 'w')


def test_list_that_would_run_code_is_refused(make_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = make_folder('transvg')
    torch.save([Payload()], folder.path())
    (fault,) = folder.faults()
    assert 'Python objects, which are not loaded' in fault
    assert not (tmp_path / 'touched').exists()


def test_numpy_1_lists_are_read(make_folder):
    """The lists in circulation name numpy's constructors as numpy 1 does."""
    folder = make_folder('transvg_arrays')
    content = folder.path().read_bytes()
    new, old = b'cnumpy._core.multiarray\n', b'cnumpy.core.multiarray\n'
    assert new in content
    folder.path().write_bytes(content.replace(new, old))
    assert len(folder.build()) == 3


def own_data(folder, rows):
    (folder.root / 'all.json').write_text(json.dumps(rows))
    folder.ann_file = 'all.json'


def own_row(**kwargs):
    return dict(image='a.jpg', expression='dog', bbox=[1, 2, 30, 40], **kwargs)


def test_boxes_of_own_data_may_be_xywh(make_folder):
    folder = make_folder('rows')
    own_data(folder, [own_row(split='train')])
    (sample,) = folder.samples(bbox_form='xywh')
    assert sample['instances'][0]['bbox'] == [1, 2, 31, 42]


def test_rows_may_name_their_split_id_and_kind(make_folder):
    folder = make_folder('rows')
    rows = [
        own_row(split='val', sent_id=12, kind='place', more=1),
        own_row(split='train', sent_id=10),
        own_row(split='train', sent_id=11),
    ]
    own_data(folder, rows)
    samples = folder.samples(['train', 'val'])
    assert [s['sent_id'] for s in samples] == [[10], [11], [12]]
    assert samples[2]['kind'] == ['place']
    with pytest.raises(DatasetError, match="no split 'test'; there are train, val"):
        folder.build('test')


def test_image_paths_are_below_the_data_root_by_default(make_folder):
    folder = make_folder('rows')
    own_data(folder, [{**own_row(split='train'), 'image': 'images/a.jpg'}])
    (sample,) = folder.samples(data_prefix=None)
    assert sample['img_path'] == str(folder.root / 'images' / 'a.jpg')


def test_duplicate_ids_are_refused(make_folder):
    folder = make_folder('rows')
    own_data(folder, [own_row(split='train', sent_id=4) for _ in range(2)])
    (fault,) = folder.faults()
    assert fault.endswith('all.json: entry 1: its sent_id 4 is not unique')


def test_one_file_without_splits_is_not_read_as_any_split(make_folder):
    """Else the same rows would be trained and validated with."""
    folder = make_folder('rows')
    own_data(folder, [own_row(), own_row()])
    (fault,) = folder.faults()
    assert 'all.json: names no splits' in fault


def test_rows_without_the_split_that_others_have_are_faults(make_folder):
    folder = make_folder('rows')
    own_data(folder, [own_row(split='train'), own_row()])
    (fault,) = folder.faults()
    assert "entry 1: has no 'split', and others have" in fault


def test_mdetr_file_of_several_data_sets_names_each(make_folder):
    folder = make_folder('mdetr')
    assert [s['dataset'] for s in folder.samples()] == ['refcoco'] * 2 + ['refcoco+']
    assert {s['dataset'] for s in folder.samples(name='all')} == {'all'}


def test_phone_image_is_measured_upright(make_folder):
    from PIL import Image

    folder = make_folder('rows')
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    path = folder.root / 'images' / 'a.jpg'
    Image.new('RGB', (80, 100)).save(path, exif=exif)
    dataset = folder.build()
    sample = dataset.get_data_info(0)
    assert (sample['width'], sample['height']) == (100, 80)
    assert dataset.check_decoding() == []


def test_images_are_not_needed_to_read_the_language(folder):
    shutil.rmtree(folder.root / 'images')
    samples = folder.samples(check_images=False)
    assert [s['text'][0] for s in samples] == ['left dog', 'the dog behind', 'cat']


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(file_format='csv'), "'csv' is not known; there are rows, odvg"),
        (dict(file_format='transvg'), "bbox_form=None .*'xyxy' or 'xywh'"),
        (dict(file_format='odvg', bbox_form='xyxy'), 'does not go with .* None'),
        (dict(file_format='rows', bbox_form='cxcywh'), "'xyxy' or 'xywh'"),
    ],
)
def test_wrong_settings_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        RECFileDataset(split='train', ann_file='a.json', **arguments)
