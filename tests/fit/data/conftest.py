"""The same labels as each tool exports them, by their documented schemas."""

import csv
import json
import pickle
from xml.sax.saxutils import escape, quoteattr

import cv2
import numpy as np
import pytest

from m2ist_mm.fit.data import SPLITS, prepare_data

WIDTH, HEIGHT = 200, 160
IMAGES = [f'dog {number}.png' for number in range(12)]
# image, expression, box (xyxy)
LABELS = [
    label
    for number, image in enumerate(IMAGES)
    for label in (
        (
            image,
            f'D\u00f6g "{number}" & <c;a\tt>,\n\U0001f415',
            [10 + number, 20, 60, 80.5],
        ),
        (image, f'the dog behind {number}', [100, 0, 200, 150]),
    )
]


def write_images(folder, names=IMAGES):
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        noise = np.random.default_rng(number).integers(0, 255, (8, 10, 3), np.uint8)
        pixels = cv2.resize(noise, (WIDTH, HEIGHT), interpolation=cv2.INTER_NEAREST)
        cv2.imwrite(str(folder / name), pixels)


def to_xywh(box):
    x1, y1, x2, y2 = box
    return [x1, y1, x2 - x1, y2 - y1]


def rows_of(labels):
    return [
        dict(image=f'images/{image}', expression=text, bbox=box)
        for image, text, box in labels
    ]


def write_json(folder, labels):
    (folder / 'mine.json').write_text(json.dumps(rows_of(labels)))


def write_jsonl(folder, labels):
    lines = [json.dumps(row) for row in rows_of(labels)]
    (folder / 'mine.jsonl').write_text('\n'.join(lines))


def write_csv(folder, labels, separator=',', columns=('x1', 'y1', 'x2', 'y2')):
    with open(folder / 'mine.csv', 'w', encoding='utf-8', newline='') as file:
        writer = csv.writer(file, delimiter=separator)
        writer.writerow(['image', 'expression', *columns])
        for image, text, box in labels:
            writer.writerow([f'images/{image}', text, *box])


def write_csv_of_a_spreadsheet(folder, labels):
    boxes = [(image, text, to_xywh(box)) for image, text, box in labels]
    write_csv(folder, boxes, ';', ('x', 'y', 'w', 'h'))
    path = folder / 'mine.csv'
    path.write_bytes(b'\xef\xbb\xbf' + path.read_bytes())


def write_csv_cells(folder, labels):
    write_csv(
        folder, [(i, t, [' '.join(map(str, b))]) for i, t, b in labels], ',', ['bbox']
    )


def region_results(number, text, box, name='caption'):
    """Results of a rectangle and of the text area that belongs to it."""
    x, y, w, h = to_xywh(box)
    value = dict(
        x=100 * x / WIDTH,
        y=100 * y / HEIGHT,
        width=100 * w / WIDTH,
        height=100 * h / HEIGHT,
        rotation=0,
    )
    common = dict(
        id=f'r{number}',
        to_name='image',
        origin='manual',
        original_width=WIDTH,
        original_height=HEIGHT,
        image_rotation=0,
    )
    return [
        dict(
            common,
            type='rectanglelabels',
            from_name='label',
            value=dict(value, rectanglelabels=['object']),
        ),
        dict(common, type='textarea', from_name=name, value=dict(value, text=[text])),
    ]


def label_studio_tasks(labels):
    tasks = []
    for number, image in enumerate(dict.fromkeys(image for image, *_ in labels)):
        # an upload gets a prefix, and loses its blanks
        upload = f'{number:08x}-{image.replace(" ", "_")}'
        results = [
            result
            for index, (name, text, box) in enumerate(labels)
            if name == image
            for result in region_results(index, text, box)
        ]
        annotation = dict(
            id=500 + number, completed_by=1, result=results, was_cancelled=False
        )
        skipped = dict(id=900 + number, result=[], was_cancelled=True)
        tasks.append(
            dict(
                id=70 + number,
                data=dict(image=f'/data/upload/3/{upload}'),
                annotations=[annotation, skipped],
                predictions=[],
                file_upload=upload,
            )
        )
    return tasks


def write_label_studio(folder, labels):
    path = folder / 'project-3-at-2024-05-02-12-00-0a1b2c3d.json'
    path.write_text(json.dumps(label_studio_tasks(labels)))


def write_label_studio_local(folder, labels):
    tasks = label_studio_tasks(labels)
    for task, image in zip(tasks, dict.fromkeys(i for i, *_ in labels), strict=True):
        quoted = image.replace(' ', '%20')
        task['data'] = dict(img=f'/data/local-files/?d=disk/images/{quoted}')
    (folder / 'export.json').write_text(json.dumps(tasks))


def write_cvat(folder, labels):
    lines = ['<?xml version="1.0" encoding="utf-8"?>', '<annotations>']
    lines += ['<version>1.1</version>', '<meta><task><name>t</name></task></meta>']
    for number, image in enumerate(dict.fromkeys(i for i, *_ in labels)):
        lines.append(
            f'<image id="{number}" name={quoteattr(image)} width="{WIDTH}" '
            f'height="{HEIGHT}">'
        )
        for name, text, (x1, y1, x2, y2) in labels:
            if name == image:
                lines.append(
                    f'<box label="object" source="manual" occluded="0" xtl="{x1:.2f}" '
                    f'ytl="{y1:.2f}" xbr="{x2:.2f}" ybr="{y2:.2f}" z_order="0">'
                    f'<attribute name="caption">{escape(text)}</attribute></box>'
                )
        lines.append('</image>')
    text = '\n'.join([*lines, '</annotations>'])
    (folder / 'annotations.xml').write_text(text, encoding='utf-8')


def coco_content(labels, name='caption', nested=False):
    images = list(dict.fromkeys(image for image, *_ in labels))
    annotations = []
    for number, (image, text, box) in enumerate(labels):
        annotation = dict(
            id=number + 1,
            image_id=images.index(image) + 1,
            category_id=1,
            segmentation=[],
            area=100.0,
            bbox=to_xywh(box),
            iscrowd=0,
        )
        if nested:
            annotation['attributes'] = {'occluded': False, 'rotation': 0.0, name: text}
        else:
            annotation[name] = text
        annotations.append(annotation)
    return dict(
        licenses=[dict(name='', id=0, url='')],
        info=dict(contributor=''),
        categories=[dict(id=1, name='object', supercategory='')],
        images=[
            dict(id=number + 1, width=WIDTH, height=HEIGHT, file_name=image)
            for number, image in enumerate(images)
        ],
        annotations=annotations,
    )


def write_coco(folder, labels):
    (folder / 'labels.json').write_text(json.dumps(coco_content(labels)))


def write_cvat_coco(folder, labels):
    (folder / 'annotations').mkdir()
    path = folder / 'annotations' / 'instances_default.json'
    path.write_text(json.dumps(coco_content(labels, 'what is meant', nested=True)))


def write_odvg(folder, labels):
    lines = []
    for image, text, box in labels:
        region = dict(bbox=box, phrase=text, tokens_positive=[[0, len(text)]])
        row = dict(
            filename=image,
            height=HEIGHT,
            width=WIDTH,
            grounding=dict(caption=text, regions=[region]),
        )
        lines.append(json.dumps(row))
    (folder / 'mine_vg.json').write_text('\n'.join(lines))


def write_mdetr(folder, labels):
    images, annotations = [], []
    for number, (image, text, box) in enumerate(labels):
        images.append(
            dict(
                file_name=image,
                height=HEIGHT,
                width=WIDTH,
                id=number,
                original_id=IMAGES.index(image),
                caption=text,
                dataset_name='mine',
            )
        )
        annotations.append(
            dict(
                id=number,
                image_id=number,
                category_id=1,
                area=1.0,
                iscrowd=0,
                bbox=to_xywh(box),
                tokens_positive=[[0, len(text)]],
            )
        )
    content = dict(images=images, annotations=annotations, categories=[])
    (folder / 'finetune.json').write_text(json.dumps(content))


def write_swift(folder, labels, unit='real'):
    whole = (1, 1, 1, 1) if unit == 'real' else (WIDTH, HEIGHT, WIDTH, HEIGHT)
    lines = []
    for image in dict.fromkeys(image for image, *_ in labels):
        own = [(text, box) for name, text, box in labels if name == image]
        objects = dict(
            ref=[text for text, _ in own],
            bbox=[[v / w for v, w in zip(box, whole, strict=True)] for _, box in own],
        )
        if unit != 'real':
            objects['bbox_type'] = unit
        marks = ' and '.join(['<ref-object><bbox>'] * len(own))
        row = dict(
            messages=[
                dict(role='user', content='<image>Describe the image.'),
                dict(role='assistant', content=f'{marks} are here'),
            ],
            images=[f'images/{image}'],
            objects=objects,
        )
        lines.append(json.dumps(row))
    (folder / 'grounding.jsonl').write_text('\n'.join(lines))


def write_swift_norm1(folder, labels):
    write_swift(folder, labels, 'norm1')


def write_refer(folder, labels):
    content = coco_content(labels)
    for annotation in content['annotations']:
        del annotation['caption']
    split = dict.fromkeys(range(1, 13), 'train') | {1: 'val', 2: 'testA', 3: 'testB'}
    refs = [
        dict(
            ref_id=number,
            ann_id=annotation['id'],
            image_id=annotation['image_id'],
            category_id=1,
            file_name='unused',
            split=split[annotation['image_id']],
            sent_ids=[number],
            sentences=[dict(sent_id=number, sent=labels[number][1], raw='', tokens=[])],
        )
        for number, annotation in enumerate(content['annotations'])
    ]
    (folder / 'refcoco').mkdir()
    (folder / 'refcoco' / 'instances.json').write_text(json.dumps(content))
    (folder / 'refcoco' / 'refs(mine).p').write_bytes(pickle.dumps(refs, 2))


# case: what writes it, the format, and the options that reading it needs
FORMATS = {
    'json': (write_json, 'rows', {}),
    'jsonl': (write_jsonl, 'rows', {}),
    'csv': (write_csv, 'rows', {}),
    'csv_of_a_spreadsheet': (write_csv_of_a_spreadsheet, 'rows', {}),
    'csv_cells': (write_csv_cells, 'rows', {}),
    'label_studio': (write_label_studio, 'label-studio', {}),
    'label_studio_local': (write_label_studio_local, 'label-studio', {}),
    'cvat': (write_cvat, 'cvat', {}),
    'coco': (write_coco, 'coco', {}),
    'cvat_coco': (write_cvat_coco, 'coco', {}),
    'odvg': (write_odvg, 'odvg', {}),
    'mdetr': (write_mdetr, 'mdetr', {}),
    'swift': (write_swift, 'swift', {}),
    'swift_norm1': (write_swift_norm1, 'swift', {}),
    'refer': (write_refer, 'refer', {}),
}


class Folder:
    """A folder of labelled images; a test may change everything in it."""

    def __init__(self, root, case):
        self.write, self.data_format, self.options = FORMATS[case]
        self.root = root / 'my data'
        self.work_dir = root / 'work'
        write_images(self.root / 'images')
        self.label(LABELS)

    def label(self, labels):
        self.write(self.root, labels)

    def files(self, pattern='*.*'):
        return sorted(path for path in self.root.glob(pattern) if path.is_file())

    def prepare(self, **options):
        return prepare_data(self.root, self.work_dir, **{**self.options, **options})

    def rows(self, **options):
        summary = self.prepare(**options)
        return {split: summary.rows(split) for split in SPLITS}

    def labels(self, **options):
        """What is in the rows, in the form of LABELS."""
        return sorted(
            (row['image'].rpartition('/')[2], row['expression'], row['bbox'])
            for rows in self.rows(**options).values()
            for row in rows
        )


@pytest.fixture(params=FORMATS)
def folder(request, tmp_path):
    return Folder(tmp_path, request.param)


@pytest.fixture
def make_folder(tmp_path):
    return lambda case: Folder(tmp_path, case)
