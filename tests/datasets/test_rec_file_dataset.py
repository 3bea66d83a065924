"""Each file format, sound and spoilt in every way."""

import json
import shutil

import cv2
import numpy as np
import pytest
import torch
from mmengine.fileio import LocalBackend, register_backend

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
    assert report.counts['expressions'] == 2


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
    (fault,) = folder.faults()
    assert fault.startswith(f'{folder.root}/images/b.jpg cannot be read as an image')


def test_wrong_count_is_refused(folder):
    (fault,) = folder.faults(expected_count=dict(train=4))
    assert "split 'train' has 3 expressions, not the 4" in fault


WRONG_KEYS = {
    'rows': ('"expression"', '"said"', "entry 0: has no 'expression'; its keys are"),
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
    one_line = right == '"expression"'  # which lists the fields there are
    assert len(folder.faults()) == (1 if one_line else 3)


WRONG_VALUES = {
    'text_box': ('rows', '[10, 20, 50, 60]', '[10, 20, "50", 60]', 'not four numbers'),
    'truth': ('rows', '[10, 20, 50, 60]', '[true, 20, 50, 60]', 'not four numbers'),
    'digits': ('rows', '[10, 20, ', f'[1{400 * "0"}, 20, ', 'not four numbers'),
    'three': ('rows', '[10, 20, 50, 60]', '[10, 20, 50]', 'not four numbers'),
    'number': ('rows', '"Left dog"', '5', "'expression' is 5, not a str"),
    'row': ('row_lines', '{"image": "a.jpg"', '5\n{"image": "a.jpg"', 'is a int, not'),
    'regions': (
        'odvg',
        '"regions": [',
        '"regions": [{"bbox": [1, 2, 3, 4]}, ',
        "has 2 boxes, and a referring expression one; several='leave-out' leaves",
    ),
    'region': ('odvg', '"regions": [', '"regions": [{}, ', "has no 'bbox'; its keys"),
    'boxes': (
        'odvg',
        '[10, 20, 50, 60]',
        '[[1, 2, 3, 4], [1, 2, 3, 5]]',
        'has 2 boxes, and a referring expression one',
    ),
    'twice': ('rows', '"Left dog"', '"a", "image": "b"', "has the key 'image' twice"),
    'again': ('odvg', '"width":', '"width": 5, "width":', "line 1 .*key 'width' twice"),
    'coco': ('mdetr', '"width":', '"id": 5, "width":', "has the key 'id' twice"),
    'surrogate': ('rows', '"Left dog"', r'"a \ud83d"', r"\\ud83d' has half of a surr"),
    'image_name': ('odvg', '"a.jpg"', r'"\udc00"', "its 'filename' .* half of a surr"),
    'no_list': ('mdetr', '"images"', '"image"', "has no list 'images'"),
    'unboxed': ('mdetr', '"image_id": 40', '"image_id": 41', 'has no box, and'),
    'stray': ('mdetr', '"image_id": 40', '"image_id": 99', 'id 99: has annotations a'),
    'no_box': ('mdetr', '"bbox"', '"box"', "annotations entry 0: has no 'bbox'"),
    'original': (
        'mdetr',
        '"original_id": 8',
        '"original_id": [8]',
        "'original_id' is .8.",
    ),
    'ids': ('mdetr', '"id": 41', '"id": 40', 'images id 40 occurs 2 times'),
    'box_ids': ('mdetr', '"id": 91', '"id": 90', 'annotations id 90 occurs 2 times'),
    'two_boxes': (
        'rows',
        '[10, 20, 50, 60]',
        '[[1, 2, 3, 4], [1, 2, 3, 5]]',
        'has 2 b',
    ),
    'no_image': ('rows', '"b.jpg"', '""', 'images/: no such image, named by .*entry 2'),
    'address': ('rows', '"b.jpg"', '"s3://a/b.jpg"', 'b.jpg: no such image.*entry 2'),
    'folder': ('mdetr', '"b.jpg"', '""', 'images/: no such image, named by .* id 42'),
    'null_box': ('rows', '[10, 20, 50, 60]', 'null', 'entry 0: has no box, and a ref'),
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
        ([('a.jpg', np.eye(2), 'dog')], 'entry 0: .*holds 2 boxes'),
        ([(5, [1, 2, 3, 4], 'dog')], "its 'image' is 5, not a str"),
        ([('a.jpg', [1, 2, 3, 4], b'dog')], "its 'expression' is b'dog', not a str"),
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
    assert 'all.json: entry 1: its sent_id 4 is not unique: ' in fault
    assert fault.endswith('all.json: entry 0 has it too')


def test_row_without_id_gets_one_that_no_row_has(make_folder):
    folder = make_folder('rows')
    ids = [1, None, 3, None, None]
    own_data(folder, [own_row(split='train', sent_id=number) for number in ids])
    assert [s['sent_id'] for s in folder.samples()] == [[1], [5], [3], [6], [4]]


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
        (dict(file_format='csv'), "'csv' is not known; there are rows, label-studio"),
        (dict(file_format='transvg'), "bbox_form=None .*'xyxy' or 'xywh'"),
        (dict(file_format='odvg', bbox_form='xyxy'), 'does not go with .* None'),
        (dict(file_format='rows', bbox_form='cxcywh'), "'xyxy' or 'xywh'"),
    ],
)
def test_wrong_settings_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        RECFileDataset(split='train', ann_file='a.json', **arguments)


@register_backend('elsewhere', force=True)
class Elsewhere(LocalBackend):
    """A store that knows its files by another root."""

    def __init__(self, root):
        self.root = root

    def _format(self, path):
        return str(path).replace('/nowhere', self.root, 1)

    def get(self, filepath):
        return super().get(self._format(filepath))

    def exists(self, filepath):
        return super().exists(self._format(filepath))

    def isfile(self, filepath):
        return super().isfile(self._format(filepath))

    def get_local_path(self, filepath):
        return super().get_local_path(self._format(filepath))


def test_annotations_and_images_are_read_by_the_backend(folder):
    backend_args = dict(backend='elsewhere', root=str(folder.root))
    kwargs = dict(data_root='/nowhere', backend_args=backend_args)
    dataset = folder.build(['train', 'val'], **kwargs)
    assert len(dataset) == 4
    assert dataset.get_data_info(0)['img_path'] == '/nowhere/images/a.jpg'
    assert dataset.check_decoding() == []
    folder.path().unlink()
    (fault,) = folder.faults(**kwargs)
    assert fault.startswith('/nowhere/')
    assert 'no such file' in fault


def test_folder_in_the_place_of_a_file_is_one_line(folder):
    folder.path().unlink()
    folder.path().mkdir()
    (fault,) = folder.faults()
    assert fault.startswith(f'{folder.path()}: cannot be read: ')


# -- other forms of the same values ------------------------------------------


def test_json_may_be_utf_16(folder):
    if folder.path().suffix == '.pth':
        pytest.skip('no text')
    # as PowerShell writes it
    content = folder.path().read_text().replace('\n', '\r\n')
    folder.path().write_bytes(content.encode('utf-16'))
    assert len(folder.build()) == 3


def test_other_encodings_are_named(folder):
    if folder.path().suffix == '.pth':
        pytest.skip('no text')
    content = folder.path().read_text().replace('Left dog', 'caf\u00e9')
    folder.path().write_bytes(content.encode('latin1'))
    (fault,) = folder.faults()
    assert fault.startswith(f'{folder.path()}: is no UTF-8 text')
    assert 'save it as UTF-8' in fault


def test_line_separators_within_a_text_end_no_line(make_folder):
    folder = make_folder('row_lines')
    row = json.dumps(own_row(), ensure_ascii=False).replace('dog', 'a\u2028dog')
    folder.path().write_text(row)
    (sample,) = folder.samples()
    assert sample['text'] == ['a\u2028dog']


@pytest.mark.parametrize('name', ['odvg', 'mdetr'])
def test_sizes_may_be_whole_floats(make_folder, name):
    folder = make_folder(name)
    folder.change_text(lambda text: text.replace('"width": 100', '"width": 100.0'))
    assert folder.samples()[0]['width'] == 100
    folder.change_text(lambda text: text.replace('"width": 100.0', '"width": 100.5'))
    assert any("its 'width' is 100.5, not a int" in f for f in folder.faults())


@pytest.mark.parametrize('name', ['rows', 'odvg'])
def test_one_box_may_stand_in_a_list(make_folder, name):
    folder = make_folder(name)
    folder.change_text(
        lambda text: text.replace('[10, 20, 50, 60]', '[[10, 20, 50, 60]]')
    )
    assert folder.samples()[0]['instances'][0]['bbox'] == [10, 20, 50, 60]


def test_boxes_of_a_list_may_hold_numbers_of_numpy(make_folder):
    folder = make_folder('transvg_arrays')
    bbox = list(np.array([1, 2, 30, 40], np.float64))
    assert isinstance(bbox[0], np.float64)
    torch.save([('a.jpg', bbox, 'dog')], folder.path())
    (sample,) = folder.samples()
    assert sample['instances'][0]['bbox'] == [1, 2, 30, 40]


def test_null_is_no_value_of_an_optional_key(make_folder):
    folder = make_folder('rows')
    own_data(folder, [own_row(split='train', kind=None, sent_id=None)])
    (sample,) = folder.samples()
    assert 'kind' not in sample
    assert sample['sent_id'] == [0]


def test_rows_of_a_joint_split_count_for_both(make_folder):
    folder = make_folder('rows')
    splits = ('testAB', 'testA', 'testB', 'testBC')
    own_data(folder, [own_row(split=split) for split in splits])
    samples = folder.samples(['testA', 'testB'])
    found = [(s['split'], s['sent_id'][0]) for s in samples]
    assert found == [
        ('testA', 0),
        ('testA', 1),
        ('testB', 0),
        ('testB', 2),
        ('testB', 3),
    ]
    with pytest.raises(DatasetError, match="no split 'testD'"):
        folder.build('testD')


def rename(folder, old, new):
    (folder.root / 'images' / 'a.jpg').rename(folder.root / 'images' / old)
    folder.write(folder.path(), [(new, 'dog', [1, 2, 30, 40])])


@pytest.mark.parametrize(
    ('there', 'named'),
    [
        ('000000000009.jpg', 'COCO_train2014_000000000009.jpg'),
        ('000000000009.jpg', 'COCO_val2014_000000000009.jpg'),
        ('COCO_train2014_000000000009.jpg', '000000000009.jpg'),
        ('COCO_val2014_000000000009.jpg', '000000000009.jpg'),
    ],
)
def test_images_of_coco_are_found_by_their_other_name(make_folder, there, named):
    folder = make_folder('rows')
    rename(folder, there, named)
    (sample,) = folder.samples()
    assert sample['img_path'] == str(folder.root / 'images' / there)


def test_other_numbers_are_no_other_name(make_folder):
    folder = make_folder('rows')
    rename(folder, '000000000009.jpg', 'COCO_train2014_000000000008.jpg')
    (fault,) = folder.faults()
    assert 'COCO_train2014_000000000008.jpg: no such image' in fault


# -- boxes ---------------------------------------------------------------------


def many(bbox, count=20, image='a.jpg'):
    return [(image, f'dog {number}', list(bbox)) for number in range(count)]


# what a box of a.jpg, 100 x 80 pixels, is in each unit
UNITS = {
    'relative': [0.1, 0.25, 0.5, 0.75],
    'percent': [10, 25, 50, 75],
    'permille': [100, 250, 500, 750],
}


@pytest.mark.parametrize('unit', UNITS)
def test_boxes_in_another_unit_are_converted(folder, unit):
    folder.write(folder.path(), many(UNITS[unit], 2))
    for sample in folder.samples(box_unit=unit):
        bbox = sample['instances'][0]['bbox']
        assert bbox == pytest.approx([10, 20, 50, 60], abs=1e-4)


def enlarge(folder, width, height):
    """Make images larger than all boxes in the other units."""
    for image in SIZES:
        cv2.imwrite(
            str(folder.root / 'images' / image), np.zeros((height, width, 3), np.uint8)
        )


@pytest.mark.parametrize(
    ('unit', 'bbox'),
    [
        ('relative', [0, 0.25, 0.5, 1]),
        ('relative', [0, 0.25, 0.5, 1.002]),
        ('percent', [10, 25, 50, 99.5]),
        ('permille', [100, 250, 500, 1000]),
    ],
)
def test_boxes_that_look_like_another_unit_are_refused(make_folder, unit, bbox):
    folder = make_folder('rows')
    enlarge(folder, 1200, 1100)
    folder.write(folder.path(), many(bbox))
    message = (
        rf"all boxes \(20\) lie within .* in {unit} .* box_unit='{unit}', or .*'pixel'"
    )
    with pytest.raises(DatasetError, match=message) as caught:
        folder.build()
    assert caught.value.faults[0].startswith(f'{folder.path()}: ')
    with pytest.raises(DatasetError, match=message):
        folder.build(filter_cfg=dict(skip_faulty=True))
    assert len(folder.build(box_unit='pixel')) == 20
    sample = folder.samples(box_unit=unit, box_tolerance=3)[0]
    assert (
        sample['instances'][0]['bbox'][0]
        == bbox[0]
        * 1200
        / {
            'relative': 1,
            'percent': 100,
            'permille': 1000,
        }[unit]
    )
    folder.write(folder.path(), many(bbox, 19))
    if unit != 'relative':  # fewer may be small by chance
        assert len(folder.build()) == 19


def test_few_boxes_within_1_are_relative(make_folder):
    folder = make_folder('rows')
    folder.write(folder.path(), many([0.1, 0.25, 0.5, 1], 1))
    with pytest.raises(DatasetError, match=r"all boxes \(1\) lie .*'relative'"):
        folder.build()
    assert len(folder.build(box_unit='pixel')) == 1
    folder.write(folder.path(), many([0, 0, 0, 0], 1))
    (fault,) = folder.faults()
    assert 'has no area' in fault


def test_pixels_look_like_no_other_unit(make_folder):
    folder = make_folder('rows')
    # within 100, as is one of the images; within 1000, as are both
    folder.write(folder.path(), [*many([10, 25, 50, 75]), *many([1, 2, 60, 90], 1)])
    folder.write(folder.path(), many([10, 25, 50, 75]))
    assert len(folder.build()) == 20
    enlarge(folder, 1200, 1100)
    folder.write(folder.path(), [*many([10, 25, 50, 75]), *many([9, 9, 1100, 90], 1)])
    assert len(folder.build()) == 21


def test_without_sizes_boxes_can_be_relative_alone(make_folder):
    folder = make_folder('rows')
    folder.write(folder.path(), many([10, 25, 50, 75]))
    assert len(folder.build(check_images=False)) == 20
    folder.write(folder.path(), many([0.1, 0.2, 0.3, 0.4]))
    with pytest.raises(DatasetError, match="box_unit='relative'"):
        folder.build(check_images=False)
    with pytest.raises(
        DatasetError, match='size of its image is not known, .*relative'
    ):
        folder.build(check_images=False, box_unit='relative')


def test_reversed_corners_are_told_as_that(folder):
    folder.write(folder.path(), many([50, 20, 10, 60], 1))
    (fault,) = folder.faults()
    assert 'has its corners reversed: left 50 is beyond right 10' in fault
    folder.write(folder.path(), many([10, 60, 50, 20], 1))
    (fault,) = folder.faults()
    assert 'has its corners reversed: top 60 is beyond bottom 20' in fault


def test_tolerance_of_boxes_outside_is_an_option(folder, log):
    folder.write(folder.path(), many([-3, 20, 50, 60], 2))
    assert 'by more than box_tolerance=1' in folder.faults()[0]
    samples = folder.samples(box_tolerance=3)
    assert [s['instances'][0]['bbox'] for s in samples] == [[0, 20, 50, 60]] * 2
    assert log == [
        'RECFileDataset train: clipped the boxes of 2 expressions that left their '
        'image by up to 3 pixels'
    ]


def test_a_box_outside_altogether_is_never_tolerated(folder):
    folder.write(folder.path(), many([-9, 20, -2, 60], 1))
    (fault,) = folder.faults(box_tolerance=100)
    assert 'leaves the image of 100x80 pixels' in fault


def test_expressions_without_boxes_can_be_predicted(folder):
    content = folder.path()
    if folder.arguments['file_format'] == 'rows':
        content.write_text(content.read_text().replace('"bbox"', '"none"'))
    samples = folder.samples(with_boxes=False, test_mode=True)
    assert [sample['text'][0] for sample in samples] == [
        text.lower() for _, text, _ in EXPRESSIONS['train']
    ]
    assert [sample['instances'] for sample in samples] == [[]] * 3


# -- texts -----------------------------------------------------------------------


@pytest.mark.parametrize(
    'text',
    ['\0', '\x07\x1b', '\u200b\u200d', '\ufeff', '\u00ad ', '\u2800', '\u3164\ufe0f'],
)
def test_text_without_visible_character_is_refused(folder, text):
    folder.write(folder.path(), [('a.jpg', text, [1, 2, 30, 40])])
    (fault,) = folder.faults()
    assert fault.endswith('has no visible character')
    assert fault.isprintable()


@pytest.mark.parametrize(
    'text', ['?', '7', '\u0e41\u0e21\u0e27', '\U0001f415', 'a\u200b', '\u4eba']
)
def test_text_of_any_language_is_taken(folder, text):
    folder.write(folder.path(), [('a.jpg', text, [1, 2, 30, 40])])
    assert folder.samples()[0]['text'] == [text]


# -- arguments -------------------------------------------------------------------


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(lowercase='no'), "lowercase='no': must be True or False"),
        (dict(check_images=1), 'check_images=1: must be True or False'),
        (dict(with_boxes=None), 'with_boxes=None: must be True or False'),
        (dict(with_boxes=False), 'can be predicted, not learnt; test_mode=True is'),
        (dict(seed=-1), 'seed=-1: must be a whole number of at least 0'),
        (dict(max_expressions_per_sample=1.5), 'sample=1.5: must be a whole number'),
        (dict(data_prefix='a'), r"data_prefix='a': must be dict\(img='FOLDER'\)"),
        (dict(data_prefix=dict(img=7)), 'must be dict'),
        (dict(data_prefix=dict(img='a', imgx='b')), "'imgx': 'b'}: must be dict"),
        (dict(box_tolerance=-1), 'box_tolerance=-1: must be a number of at least 0'),
        (
            dict(box_unit='cm'),
            "box_unit='cm': must be one of None, 'pixel', 'relative'",
        ),
        (
            dict(filter_cfg=dict(skip_fualty=True)),
            "'skip_fualty': True.*the only filter",
        ),
        (dict(filter_cfg=dict(filter_empty_gt=True)), 'the only filter there is'),
        (dict(filter_cfg=dict(skip_faulty='no')), r'must be None or dict\(skip_faulty'),
        (dict(proposal_file='a.pkl'), 'proposal_file is not read: it is a pickle'),
        (dict(split=5), r'split=\(5,\): must be one name, or several, each once'),
        (dict(split=[]), r'split=\(\): must be one name'),
        (dict(split=['val', 'val']), 'each once'),
    ],
)
def test_arguments_that_mean_nothing_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        RECFileDataset(
            **{'split': 'train', 'ann_file': 'a', 'file_format': 'rows', **arguments}
        )
