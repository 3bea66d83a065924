"""From what people have to rows of train, val and test."""

import json
import re
import shutil

import cv2
import numpy as np
import pytest
from PIL import Image

from m2ist_mm.datasets import DatasetError, RECFileDataset
from m2ist_mm.fit.data import DataChangedError, DataSummary, prepare_data


def same(found, labels):
    assert [label[:2] for label in found] == [label[:2] for label in sorted(labels)]
    boxes = [label[2] for label in found]
    assert boxes == pytest.approx(
        np.array([label[2] for label in sorted(labels)]), abs=0.01
    )


def labels_of(folder):
    """The labels of the table, in whatever case they were read."""
    return folder.write.__globals__['LABELS']


def test_what_is_read_is_what_was_labelled(folder):
    same(folder.labels(), labels_of(folder))
    summary = DataSummary.load(folder.work_dir)
    assert summary.data_format == folder.data_format
    assert summary.counts == dict(
        read=24, kept=24, several=0, none=0, faulty=0, without_text=0
    )


def test_the_format_may_be_named(folder):
    same(folder.labels(data_format=folder.data_format), labels_of(folder))
    with pytest.raises(ValueError, match="data_format='yolo' is not known; there are"):
        folder.prepare(data_format='yolo')


def test_rows_are_read_by_a_dataset(folder):
    summary = folder.prepare()
    for split in ('train', 'val', 'test'):
        dataset = RECFileDataset(
            file_format='rows',
            data_root=summary.folder,
            ann_file='{split}.jsonl',
            data_prefix=dict(img=summary.image_root),
            split=split,
        )
        rows = summary.rows(split)
        assert len(dataset) == len(rows)
        assert [dataset.get_data_info(i)['sent_id'][0] for i in range(len(rows))] == [
            row['sent_id'] for row in rows
        ]


def test_no_image_is_in_two_splits(folder):
    rows = folder.rows()
    images = {split: {row['image'] for row in own} for split, own in rows.items()}
    expected = dict(train=10, val=1, test=1)
    if folder.data_format == 'refer':  # which names splits
        expected = dict(train=9, val=1, test=2)
    assert {split: len(names) for split, names in images.items()} == expected
    assert len(set.union(*images.values())) == 12


def test_the_same_data_give_the_same_rows(folder):
    first = folder.rows()
    for path in (folder.work_dir / 'data').iterdir():
        path.unlink()
    assert folder.rows() == first


def test_faults_are_lines_before_anything_is_written(folder):
    (folder.root / 'images' / 'dog 3.png').unlink()
    with pytest.raises(DatasetError) as caught:
        folder.prepare()
    (fault,) = caught.value.faults
    assert fault.startswith(
        f'{folder.root}/images: 1 of 12 images'
    ) or fault.startswith(
        f'{folder.root}: 1 of 12 images are missing in it, the first: '
    )
    assert 'image_root' in fault
    assert not (folder.work_dir / 'data' / 'train.jsonl').exists()
    assert len(folder.labels(skip_faulty=True)) == 22
    assert DataSummary.load(folder.work_dir).counts['faulty'] == 2


def test_folder_without_images_is_one_line(folder):
    for path in (folder.root / 'images').iterdir():
        path.unlink()
    with pytest.raises(DatasetError, match='no image in it .*image_root') as caught:
        folder.prepare()
    assert len(str(caught.value).splitlines()) == 1


def test_three_rows_are_one_line(folder):
    if folder.data_format == 'refer':
        pytest.skip('its writer needs all images')
    for path in folder.files():
        path.unlink()
    for path in folder.files('annotations/*'):
        path.unlink()
    if (folder.root / 'annotations').exists():
        (folder.root / 'annotations').rmdir()
    folder.label(labels_of(folder)[:3])
    with pytest.raises(DatasetError, match='3 expressions on 2 images; at least 10'):
        folder.prepare()


def test_images_may_lie_elsewhere(folder, tmp_path):
    (folder.root / 'images').rename(tmp_path / 'photos')
    with pytest.raises(DatasetError, match='no image in it'):
        folder.prepare()
    same(folder.labels(image_root=tmp_path / 'photos'), labels_of(folder))


def test_percent_taken_for_pixels_is_one_line(make_folder):
    folder = make_folder('json')
    labels = [(i, t, [10, 20, 60, 80]) for i, t, _ in labels_of(folder)]
    folder.label(labels)
    with pytest.raises(
        DatasetError, match="in percent units .*box_unit='percent'"
    ) as e:
        folder.prepare()
    assert len(str(e.value).splitlines()) == 1
    found = folder.labels(box_unit='percent')
    assert {tuple(box) for *_, box in found} == {(20, 32, 120, 128)}
    assert folder.labels(box_unit='pixel')[0][2] == [10, 20, 60, 80]


def test_corners_in_a_coco_file_are_told_as_that(make_folder):
    folder = make_folder('coco')
    (path,) = folder.files()
    content = json.loads(path.read_text())
    content['annotations'][0]['bbox'] = [120, 90, 180, 140]
    path.write_text(json.dumps(content))
    with pytest.raises(DatasetError, match='180 and 140, its right and bottom'):
        folder.prepare()


def test_two_formats_in_a_folder_are_one_line(make_folder):
    folder = make_folder('json')
    make_folder('cvat')
    message = (
        f'{folder.root}: has files of 2 formats (cvat: annotations.xml; rows: '
        'mine.json); name the file that is meant, or its format by data_format'
    )
    with pytest.raises(DatasetError, match=re.escape(message)):
        folder.prepare()
    assert folder.prepare(data_format='cvat').data_format == 'cvat'
    summary = prepare_data(folder.root / 'mine.json', folder.work_dir)
    assert summary.data_format == 'rows'


def test_several_boxes_are_left_out_or_joined(make_folder):
    folder = make_folder('json')
    rows = json.loads((folder.root / 'mine.json').read_text())
    rows[0]['bbox'] = [[10, 20, 30, 40], [50, 10, 60, 30]]
    rows[1]['bbox'] = []
    (folder.root / 'mine.json').write_text(json.dumps(rows))
    summary = folder.prepare()
    assert summary.counts == dict(
        read=24, kept=22, several=1, none=1, faulty=0, without_text=0
    )
    assert '; 1 with several boxes (left out); 1 without a box' in summary.lines()[0]
    assert len(folder.labels()) == 22
    joined = folder.labels(several='join')
    assert len(joined) == 23
    assert [10, 10, 60, 40] in [box for *_, box in joined]
    with pytest.raises(DatasetError) as caught:
        folder.prepare(several='refuse')
    assert [' has 2 boxes' in f or ' has no box' in f for f in caught.value.faults] == [
        True,
        True,
    ]
    with pytest.raises(ValueError, match="several='first': must be one of"):
        folder.prepare(several='first')


@pytest.mark.parametrize('case', ['label_studio', 'cvat', 'coco'])
def test_one_text_at_two_regions_has_two_boxes(make_folder, case):
    folder = make_folder(case)
    labels = labels_of(folder)
    folder.label([*labels, (*labels[0][:2], [100, 100, 120, 120])])
    assert folder.prepare().counts['several'] == 1
    found = dict((label[:2], label[2]) for label in folder.labels(several='join'))
    assert found[labels[0][:2]] == pytest.approx([10, 20, 120, 120], abs=0.01)


def test_one_split_is_one_line(make_folder):
    folder = make_folder('json')
    rows = json.loads((folder.root / 'mine.json').read_text())
    for row in rows:
        row['split'] = 'train'
    (folder.root / 'mine.json').write_text(json.dumps(rows))
    with pytest.raises(DatasetError, match="all images are of the split 'train'; give"):
        folder.prepare()
    for row in rows[:2]:
        row['split'] = 'validation'
    (folder.root / 'mine.json').write_text(json.dumps(rows))
    summary = folder.prepare()
    assert summary.statistics['val']['images'] == 1
    assert summary.statistics['test']['images'] == 1
    assert 'test: 1 images taken out of train, as none was given' in summary.notes
    del rows[5]['split']
    (folder.root / 'mine.json').write_text(json.dumps(rows))
    with pytest.raises(DatasetError, match='1 of 24 expressions name no split, the f'):
        folder.prepare()
    rows[5]['split'] = 'later'
    (folder.root / 'mine.json').write_text(json.dumps(rows))
    with pytest.raises(DatasetError, match="its split 'later' is none of train, val"):
        folder.prepare()


def test_names_of_files_are_splits(make_folder):
    folder = make_folder('json')
    rows = json.loads((folder.root / 'mine.json').read_text())
    (folder.root / 'mine.json').unlink()
    parts = dict(train=rows[:18], valid=rows[18:20], my_test=rows[20:])
    for name, own in parts.items():
        (folder.root / f'{name}.json').write_text(json.dumps(own))
    found = folder.rows()
    assert [len(found[split]) for split in ('train', 'val', 'test')] == [18, 2, 4]
    ids = [row['sent_id'] for own in found.values() for row in own]
    assert len(set(ids)) == 24
    (folder.root / 'my_test.json').rename(folder.root / 'more.json')
    with pytest.raises(
        DatasetError, match='has 3 files .* do not say train, val or te'
    ):
        folder.prepare()


def test_image_of_two_splits_goes_to_the_one_that_is_tested(make_folder):
    folder = make_folder('json')
    rows = json.loads((folder.root / 'mine.json').read_text())
    for row in rows:
        row['split'] = 'train'
    rows[0]['split'], rows[2]['split'] = 'val', 'test'
    (folder.root / 'mine.json').write_text(json.dumps(rows))
    found = folder.rows()
    assert [len(found[split]) for split in ('train', 'val', 'test')] == [20, 2, 2]
    assert {row['image'] for row in found['test']} == {rows[2]['image']}
    notes = DataSummary.load(folder.work_dir).notes
    assert any(note.startswith('2 images were in several splits') for note in notes)


def test_splits_can_be_edited(make_folder):
    folder = make_folder('json')
    first = folder.rows()
    table = folder.work_dir / 'data' / 'splits.csv'
    image = first['test'][0]['image']
    other = first['train'][0]['image']
    edited = table.read_text().replace(f'{image},test', f'{image},train')
    table.write_text(edited.replace(f'{other},train', f'{other},test'))
    for _ in range(2):  # and stay so
        rows = folder.rows(seed=4)
        assert {row['image'] for row in rows['test']} == {other}
    assert 'the splits are those of' in '\n'.join(folder.prepare().notes)
    table.write_text(edited.replace('test', 'train').replace('val', 'train'))
    with pytest.raises(DatasetError, match="no image is of the split 'val'"):
        folder.prepare()
    table.write_text('image,split\na.png,later\n')
    with pytest.raises(
        DatasetError, match="line 2: has image 'a.png' and split 'later'"
    ):
        folder.prepare()
    table.unlink()
    assert folder.rows() == first


def test_a_copy_of_an_image_in_an_edited_table_goes_where_that_is(make_folder):
    folder = make_folder('json')
    image = folder.rows()['train'][0]['image']
    table = folder.work_dir / 'data' / 'splits.csv'
    table.write_text(table.read_text().replace(f'{image},train', f'{image},test'))
    copies = [f'copy {number}.png' for number in range(10)]
    for copy in copies:
        shutil.copy(folder.root / image, folder.root / 'images' / copy)
    own = labels_of(folder)
    folder.label([*own, *((copy, 'a copy', own[0][2]) for copy in copies)])
    there = {row['image'] for row in folder.rows()['test']}
    assert {f'images/{copy}' for copy in copies} <= there


def test_an_image_of_another_folder_does_not_stand_for_one_that_is_missing(make_folder):
    folder = make_folder('json')
    rows = json.loads((folder.root / 'mine.json').read_text())
    rows.append({**rows[0], 'image': rows[0]['image'].replace('images', 'more')})
    (folder.root / 'mine.json').write_text(json.dumps(rows))
    with pytest.raises(
        DatasetError, match='entry 24: its image more/.* is not there; .* images/.* led'
    ):
        folder.prepare()
    summary = folder.prepare(skip_faulty=True)
    assert (summary.counts['kept'], summary.counts['faulty']) == (24, 1)


def test_images_that_are_elsewhere_than_named_are_counted(make_folder):
    folder = make_folder('json')
    assert not any('elsewhere' in note for note in folder.prepare().notes)
    (folder.root / 'images').rename(folder.root / 'thumbs')
    assert (
        '12 images are found elsewhere than named, the first: thumbs/dog 0.png for '
        'images/dog 0.png' in folder.prepare().lines()
    )


def test_two_uploads_of_one_name_are_two_images(make_folder):
    folder = make_folder('label_studio')
    (path,) = folder.files()
    tasks = json.loads(path.read_text())
    other = json.loads(json.dumps(tasks[3]))
    other['data']['image'] = '/data/upload/4/deadbeef-dog_3.png'
    path.write_text(json.dumps([*tasks, other]))
    with pytest.raises(DatasetError) as caught:
        folder.prepare()
    assert 'its image 00000003-dog_3.png is not there; ' in caught.value.faults[0]
    assert 'deadbeef-dog_3.png led to it, too' in caught.value.faults[0]
    assert 'its image deadbeef-dog_3.png is not there; ' in caught.value.faults[1]


def test_boxes_may_leave_their_images_as_far_as_is_said(make_folder):
    folder = make_folder('json')
    own = labels_of(folder)
    folder.label([*own, (own[0][0], 'half seen', [150, 20, 203, 60])])
    with pytest.raises(DatasetError, match='by more than box_tolerance=1'):
        folder.prepare()
    rows = [row for part in folder.rows(box_tolerance=3).values() for row in part]
    assert [150, 20, 200, 60] in [row['bbox'] for row in rows]


def test_a_broken_file_is_named(make_folder):
    folder = make_folder('json')
    (folder.root / 'val.json').write_text('[{"image": "images/d')
    (line,) = [n for n in folder.prepare().lines() if n.startswith('passed over: ')]
    assert 'val.json' in line and 'not a complete JSON' in line


def test_another_seed_draws_other_splits_unless_edited(make_folder):
    folder = make_folder('json')
    drawn = {
        tuple(row['image'] for row in folder.rows(seed=seed)['test'])
        for seed in range(4)
    }
    assert len(drawn) > 1


def test_images_that_the_start_has_learnt_are_not_tested(make_folder, tmp_path):
    folder = make_folder('json')
    first = {row['image']: s for s, rows in folder.rows().items() for row in rows}
    start = dict(start=folder.work_dir / 'train' / 'best.pth')
    folder.work_dir = tmp_path / 'later'
    for number in range(10):
        write_noise(folder.root / 'images' / f'new {number}.png', number)
    own = labels_of(folder)
    new = [(f'new {number}.png', 'noise', own[0][2]) for number in range(10)]
    folder.label([*own, *new])
    rows = folder.rows(seed=5, **start)
    later = {row['image']: split for split in rows for row in rows[split]}
    assert {image: later[image] for image in first} == first
    assert {later[f'images/new {n}.png'] for n in range(10)} == {'train', 'val', 'test'}
    summary = DataSummary.load(folder.work_dir)
    assert summary.learnt_images == list(first.values()).count('train')
    note = f'{len(first)} images stay in the split that they had in the training of'
    assert any(line.startswith(note) for line in summary.notes)

    table = folder.work_dir / 'data' / 'splits.csv'
    learnt = rows['train'][0]['image']
    table.write_text(table.read_text().replace(f'{learnt},train', f'{learnt},test'))
    (note,) = [line for line in folder.prepare(**start).notes if 'too good' in line]
    assert note.startswith('1 images of val or test were in train or val of')
    assert note.endswith(learnt)


def test_changes_are_named_once_something_started(make_folder):
    folder = make_folder('json')
    folder.prepare(started=True)  # nothing was there to compare with
    before = folder.rows()
    assert folder.prepare(started=True).counts['kept'] == 24
    write_noise(folder.root / 'images' / 'dog 2.png')
    with pytest.raises(DataChangedError, match='1 images: images/dog 2.png differs'):
        folder.prepare(started=True)
    rows = json.loads((folder.root / 'mine.json').read_text())
    rows[0]['expression'] = 'another'
    (folder.root / 'mine.json').write_text(json.dumps(rows))
    with pytest.raises(DataChangedError) as caught:
        folder.prepare(started=True, several='join')
    assert '1 annotation files: mine.json differs; 1 images' in str(caught.value)
    assert "several='join' instead of 'leave-out'" in str(caught.value)
    rows = DataSummary.load(folder.work_dir).rows('train')
    assert rows == before['train']
    folder.prepare()
    assert folder.prepare(started=True)


def test_data_that_were_moved_are_told_and_are_else_the_same(make_folder, tmp_path):
    folder = make_folder('json')
    folder.prepare()
    moved = folder.root.rename(tmp_path / 'moved')
    only = rf'\(the images lie in {moved}, not in {folder.root}\)'
    with pytest.raises(DataChangedError, match=only):
        prepare_data(moved, folder.work_dir, started=True)
    moved.rename(folder.root)
    assert folder.prepare(started=True)


def write_noise(path, seed=99):
    noise = np.random.default_rng(seed).integers(0, 255, (160, 200, 3), np.uint8)
    cv2.imwrite(str(path), noise)


def test_same_image_twice_is_in_one_split_and_look_alikes_are_listed(make_folder):
    folder = make_folder('json')
    labels = []
    for number in range(30):
        image = cv2.imread(str(folder.root / 'images' / f'dog {number % 10}.png'))
        if number >= 20:  # the same as a small JPEG
            name = f'{number}.jpg'
            image = cv2.resize(image, (100, 80), interpolation=cv2.INTER_AREA)
        else:
            name = f'{number}.png'
        cv2.imwrite(str(folder.root / 'images' / name), image)
        right = 30 if number >= 20 else 130
        labels.append((name, f'dog {number}', [1, 2, right, 40 + number]))
    folder.label(labels)
    rows = folder.rows()
    split = {row['image'][7:]: row['split'] for own in rows.values() for row in own}
    assert [split[f'{n}.png'] for n in range(10)] == [
        split[f'{n + 10}.png'] for n in range(10)
    ]
    summary = DataSummary.load(folder.work_dir)
    listed = {tuple(sorted(pair['images'])) for pair in summary.near_duplicates}
    across = {
        tuple(sorted([f'images/{n + 20}.jpg', f'images/{name}.png']))
        for n in range(10)
        for name in (n, n + 10)
        if split[f'{n + 20}.jpg'] != split[f'{name}.png']
    }
    assert listed == across and across
    assert any(line.startswith('look alike: images/') for line in summary.lines())


def test_all_faults_are_in_a_file(make_folder):
    folder = make_folder('json')
    folder.label([(i, t, [150, 20, 150, 60]) for i, t, _ in labels_of(folder)])
    with pytest.raises(DatasetError, match='and 22 more: .*faults.txt has them all'):
        folder.prepare()
    text = (folder.work_dir / 'data' / 'faults.txt').read_text()
    assert len(text.splitlines()) == 24


def test_broken_image_is_a_fault(make_folder):
    folder = make_folder('json')
    path = folder.root / 'images' / 'dog 2.png'
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(DatasetError, match='dog 2.png cannot be read as an image'):
        folder.prepare()
    assert folder.prepare(skip_faulty=True).counts['faulty'] == 2


def test_work_dir_within_the_data_is_no_source(make_folder):
    folder = make_folder('json')
    folder.work_dir = folder.root / 'work'
    folder.prepare()
    drawn = folder.work_dir / 'predictions' / 'dog 1.png'
    drawn.parent.mkdir()
    drawn.write_bytes((folder.root / 'images' / 'dog 1.png').read_bytes())
    rows = json.loads((folder.root / 'mine.json').read_text())
    for row in rows:
        row['image'] = row['image'].removeprefix('images/')
    (folder.root / 'mine.json').write_text(json.dumps(rows))
    same(folder.labels(), labels_of(folder))
    folder.work_dir = folder.root / 'work 2'
    same(folder.labels(), labels_of(folder))


def test_datasets_read_each_format_by_its_name(folder):
    if folder.data_format == 'refer':
        pytest.skip('ReferDataset reads it')
    (path,) = folder.files() or folder.files('annotations/*')
    path.rename(folder.root / f'mine_train{path.suffix}')
    images = folder.root / 'images'
    for image in list(images.iterdir()):  # uploads lose their blanks
        (images / image.name.replace(' ', '_')).write_bytes(image.read_bytes())
    named = 'images/' if folder.data_format not in ('rows', 'swift') else ''
    dataset = RECFileDataset(
        data_root=str(folder.root),
        ann_file=f'mine_{{split}}{path.suffix}',
        data_prefix=dict(img=named),
        file_format=folder.data_format,
        bbox_form=None,
        split='train',
        lowercase=False,
        **folder.options,
    )
    found = sorted(
        (
            sample['img_path'].rpartition('/')[2].replace('_', ' '),
            sample['text'][0],
            sample['instances'][0]['bbox'],
        )
        for sample in (dataset.get_data_info(i) for i in range(len(dataset)))
    )
    same(found, labels_of(folder))


def test_boxes_are_of_the_upright_image(make_folder):
    folder = make_folder('csv')
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    for image, *_ in labels_of(folder):
        path = folder.root / 'images' / image
        Image.open(path).convert('RGB').resize((160, 200)).save(path, exif=exif)
    same(folder.labels(), labels_of(folder))
    row = DataSummary.load(folder.work_dir).rows('train')[0]
    assert (row['width'], row['height']) == (200, 160)


def test_so_many_faults_that_the_boxes_are_misread_are_not_skipped(make_folder):
    folder = make_folder('json')
    own = labels_of(folder)
    turned = [(*one[:2], [*one[2][2:], *one[2][:2]]) for one in own[: len(own) // 2]]
    folder.label([*turned, *own[len(own) // 2 :]])
    with pytest.raises(DatasetError, match=r'leave out 12 of 24 expressions; so many'):
        folder.prepare(skip_faulty=True)
    assert not (folder.work_dir / 'data' / 'train.jsonl').exists()


def test_the_field_that_was_chosen_is_told(make_folder):
    folder = make_folder('cvat')
    summary = folder.prepare()
    assert summary.lines()[1] == "text: field 'caption'; there are also 'label'"
    assert DataSummary.load(folder.work_dir).text_fields == ['caption']
    lines = folder.prepare(text_field='caption').lines()
    assert not any(line.startswith('text: ') for line in lines)


def test_a_checkbox_is_no_sentence(make_folder):
    folder = make_folder('cvat')
    path = folder.root / 'annotations.xml'
    text = re.sub(
        '<attribute name="caption">.*?</attribute>',
        '<attribute name="truncated">false</attribute>',
        path.read_text(encoding='utf-8'),
        flags=re.DOTALL,
    )
    path.write_text(text, encoding='utf-8')
    with pytest.raises(
        DatasetError, match="text_field; the fields are 'truncated', 'l"
    ):
        folder.prepare()


def test_no_sentence_with_one_box_is_told_with_what_may_help(make_folder):
    folder = make_folder('cvat')
    path = folder.root / 'annotations.xml'
    with pytest.raises(DatasetError) as caught:
        folder.prepare(text_field='label')
    assert str(caught.value) == (
        f"{path}: no sentence of the field 'label' has one box: 12 have several boxes; "
        "name another field by text_field: 'caption'; several='join' takes the box "
        'around all of a sentence'
    )
    tag = '<tag label="scene"><attribute name="caption">a park</attribute></tag>'
    text = re.sub('<attribute .*?</attribute>', '', path.read_text(), flags=re.DOTALL)
    path.write_text(text.replace('</image>', f'{tag}</image>'))
    with pytest.raises(DatasetError) as caught:
        folder.prepare()
    assert str(caught.value) == (
        f"{path}: no sentence of the field 'caption' has one box: 12 have no box, 24 "
        "boxes have no sentence; name another field by text_field: 'label'"
    )


def test_a_subset_that_all_images_have_is_told_where_it_is(make_folder):
    folder = make_folder('cvat')
    path = folder.root / 'annotations.xml'
    text = path.read_text()
    path.write_text(text.replace('<image ', '<image subset="Train" '))
    with pytest.raises(DatasetError, match="subset=.* of CVAT's images"):
        folder.prepare()
    path.write_text(text.replace('<image ', '<image subset="default" '))
    assert folder.prepare().splits_from == 'drawn'
