"""The program on a hand-made release in the layout of the public one."""

import json
import zipfile

import cv2
import numpy as np
import pytest

from m2ist_mm.datasets import RECFileDataset

TOOL = 'tools/misc/prepare_flickr30k.py'
SPLITS = {'11': 'train', '12': 'train', '13': 'val', '14': 'test'}
ROW = dict(
    image='images/11.jpg',
    expression='a dog',
    bbox=[1, 2, 30, 20],
    split='train',
    kind='animals',
    boxes=[[1, 2, 30, 20]],
    sent_id=0,
)


@pytest.fixture
def release(tmp_path):
    """A clone of the release's repository, and data/images beside it."""
    folder = tmp_path / 'release'
    folder.mkdir()
    (tmp_path / 'data' / 'images').mkdir(parents=True)
    corners = '<xmin>2</xmin><ymin>3</ymin><xmax>31</xmax><ymax>21</ymax>'
    with zipfile.ZipFile(folder / 'annotations.zip', 'w') as archive:
        for number in SPLITS:
            archive.writestr(
                f'annotations/Sentences/{number}.txt',
                '[/EN#1/animals A dog] on [/EN#2/scene grass] .\n'
                '[/EN#1/animals The dog] and [/EN#1/animals a dog] .\n',
            )
            archive.writestr(
                f'annotations/Annotations/{number}.xml',
                '<annotation><size><width>40</width><height>30</height></size><object>'
                f'<name>1</name><bndbox>{corners}</bndbox></object><object>'
                '<name>2</name><scene>1</scene><nobndbox>0</nobndbox></object>'
                '</annotation>',
            )
            path = str(tmp_path / 'data' / 'images' / f'{number}.jpg')
            cv2.imwrite(path, np.full((30, 40, 3), int(number), np.uint8))
    for split in ('train', 'val', 'test'):
        names = [number for number, own in SPLITS.items() if own == split]
        (folder / f'{split}.txt').write_text('\n'.join(names))
    return folder


@pytest.fixture
def prepare(run_tool, tmp_path, capsys):
    def run(release, *options):
        code = run_tool(TOOL, release, tmp_path / 'data' / 'images', *options)
        captured = capsys.readouterr()
        assert 'Traceback' not in captured.err
        return code, captured.out + captured.err

    return run


@pytest.fixture
def rows(tmp_path):
    def read():
        text = (tmp_path / 'data' / 'expressions.jsonl').read_text()
        return [json.loads(line) for line in text.splitlines()]

    return read


def test_an_archive_becomes_rows(prepare, release, rows, tmp_path):
    code, text = prepare(release)
    assert code == 0, text
    assert rows()[:2] == [ROW, dict(ROW, expression='the dog', sent_id=1)]
    assert [(row['image'][7:9], row['split']) for row in rows()[::2]] == [
        *SPLITS.items()
    ]
    assert [row['sent_id'] for row in rows()] == list(range(8))
    assert 'expressions.jsonl: train 4, val 2, test 2' in text
    assert 'left out: 4 phrases without a box, 4 repeated; 0 images not in' in text
    # the archive itself, or the unpacked folder, gives the same
    first = rows()
    for same in (release / 'annotations.zip', tmp_path / 'data'):
        for split in ('train', 'val', 'test'):
            (tmp_path / f'{split}.txt').write_text(
                (release / f'{split}.txt').read_text()
            )
        assert prepare(same)[0] == 0
        assert rows() == first


def test_the_dataset_and_its_check_take_the_rows(
    prepare, release, run_tool, tmp_path, capsys
):
    assert prepare(release)[0] == 0
    dataset = RECFileDataset(
        data_root=str(tmp_path / 'data'),
        ann_file='expressions.jsonl',
        file_format='rows',
        split='val',
        serialize_data=False,
    )
    assert len(dataset) == 2
    info = dataset.get_data_info(0)
    assert info['text'] == ['a dog'] and info['kind'] == ['animals']
    assert list(info['instances'][0]['bbox']) == [1, 2, 30, 20]
    code = run_tool(
        'tools/misc/check_dataset.py',
        'configs/_base_/datasets/flickr30k-part.py',
        *('--data-root', f'{tmp_path}/data/', '--cfg-options'),
        *(
            f'{loader}_dataloader.dataset.carve.dev.images=1'
            for loader in ('train', 'val', 'test')
        ),
    )
    output = capsys.readouterr().out
    assert code == 0 and '0 faults' in output, output


def test_only_takes_a_list_in_flickr8k_names(prepare, release, rows, tmp_path):
    path = tmp_path / 'flickr8k.txt'
    path.write_text('13_693b08cb0e.jpg\n11_0a1b2c3d4e.jpg\n99_0a1b2c3d4e.jpg\n')
    code, text = prepare(release, '--only', path)
    assert code == 0, text
    assert f'1 of the images in {path} are in no split' in text
    assert [row['image'] for row in rows()[::2]] == ['images/11.jpg', 'images/13.jpg']


def test_missing_images_are_left_out_only_by_an_option(
    prepare, release, rows, tmp_path
):
    for number in ('12', '14'):
        (tmp_path / 'data' / 'images' / f'{number}.jpg').unlink()
    code, text = prepare(release)
    assert code == 1
    assert 'images: 2 of 4 images are not there (12.jpg, ...); --skip-missing' in text
    assert not (tmp_path / 'data' / 'expressions.jsonl').exists()
    code, text = prepare(release, '--skip-missing')
    assert code == 0 and '2 images not in' in text
    assert [row['image'] for row in rows()[::2]] == ['images/11.jpg', 'images/13.jpg']


def test_faulty_images_are_left_out_only_by_an_option(prepare, release, rows, tmp_path):
    prepare(release)
    before = rows()
    path = tmp_path / 'data' / 'Sentences' / '12.txt'
    path.write_text('[broken')
    for split in ('train', 'val', 'test'):
        (release / f'{split}.txt').rename(tmp_path / f'{split}.txt')
    code, text = prepare(tmp_path / 'data')
    assert code == 1 and f'{path}: line 1 has a bracket' in text
    assert '1 images have faults, nothing was written; --skip-faulty' in text
    assert rows() == before
    code, text = prepare(tmp_path / 'data', '--skip-faulty')
    assert code == 0 and '1 with faults' in text
    assert len(rows()) == 6


def test_what_is_no_release_is_one_line(prepare, release, tmp_path):
    code, text = prepare(tmp_path / 'data')
    assert code == 1
    assert text.count('\n') == 1
    assert 'has neither Sentences/ nor annotations.zip; get them from https://' in text
    (release / 'val.txt').unlink()
    code, text = prepare(release)
    assert code == 1 and f'{release}/val.txt: no such list' in text


def test_unsafe_or_damaged_archives_are_refused(prepare, release, tmp_path):
    path = release / 'annotations.zip'
    content = path.read_bytes()
    with zipfile.ZipFile(path, 'a') as archive:
        archive.writestr('Sentences/../../../evil.txt', 'evil')
    code, text = prepare(release)
    assert code == 1 and f'{path}: has a path that leads out of the folder' in text
    path.write_bytes(content[:-30])
    code, text = prepare(release)
    assert code == 1 and f'{path}: damaged or incomplete archive' in text
    assert [p.name for p in (tmp_path / 'data').iterdir()] == ['images']
    assert not list(tmp_path.rglob('evil.txt'))
