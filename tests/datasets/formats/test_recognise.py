"""The format of a file by its content."""

import csv
import json

import pytest

from m2ist_mm.datasets import DatasetError
from m2ist_mm.datasets.formats import recognise_format

RECTANGLE = dict(x=1, y=2, width=10, height=20, rotation=0)
SIZE = dict(original_width=320, original_height=240)
TASK = dict(image='/data/upload/3/0a1b2c3d-a.jpg', id=1, caption='the dog', annotator=1)


@pytest.fixture
def recognise(tmp_path):
    def run(content, name='mine.json'):
        path = tmp_path / name
        path.write_text(json.dumps(content))
        return recognise_format(str(path))

    return run


@pytest.mark.parametrize(
    ('control', 'region'),
    [
        ('label', dict(RECTANGLE, rectanglelabels=['dog'])),
        ('bbox', dict(RECTANGLE, **SIZE)),
        ('bbox', dict(RECTANGLE, rectanglelabels=['dog'])),
    ],
)
def test_short_exports_of_label_studio_are_called_so(
    recognise, tmp_path, control, region
):
    task = {**TASK, control: [region]}
    with pytest.raises(
        DatasetError,
        match="is Label Studio's short export; choose 'JSON' instead of 'JSON-MIN'",
    ):
        recognise([task])
    path = tmp_path / 'export.csv'
    with path.open('w', newline='') as file:
        writer = csv.writer(file)
        writer.writerow(task)
        writer.writerow([*TASK.values(), json.dumps([region])])
    with pytest.raises(
        DatasetError,
        match="is Label Studio's table; choose 'JSON' instead of CSV or TSV",
    ):
        recognise_format(str(path))


def test_own_rows_may_have_the_size_of_the_image(recognise):
    row = dict(image='a.jpg', expression='dog', bbox=[1, 2, 3, 4], **SIZE)
    assert recognise([row]) == 'rows'


@pytest.mark.parametrize(
    ('caption', 'name'), [('', 'coco'), (None, 'coco'), ('a dog', 'mdetr')]
)
def test_images_with_captions_are_mdetrs(recognise, caption, name):
    image = dict(id=1, file_name='a.jpg', width=2, height=2)
    content = dict(images=[image, dict(image, caption=caption)], annotations=[])
    assert recognise(content) == name
