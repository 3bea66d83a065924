import json
import re

import cv2
import numpy as np
import pytest

TOOL = 'tools/analysis_tools/ask_one_object.py'


def write(folder, change=None):
    """Three images: one dog that fills it, two dogs, a dog and a cat."""
    boxes = [(1, [0, 0, 96, 96], 1), (2, [0, 0, 9, 9], 1), (2, [50, 50, 9, 9], 1)]
    boxes += [(3, [90, 90, 3, 3], 1), (3, [0, 0, 50, 50], 2)]
    content = dict(
        images=[
            dict(id=n, file_name=f'{n}.png', width=96, height=96) for n in (1, 2, 3)
        ],
        annotations=[
            dict(id=n, image_id=image, bbox=box, category_id=category, iscrowd=0)
            for n, (image, box, category) in enumerate(boxes)
        ],
        categories=[dict(id=1, name='dog'), dict(id=2, name='cat')],
    )
    if change:
        change(content)
    (folder / 'instances.json').write_text(json.dumps(content))
    for number in (1, 2, 3):
        cv2.imwrite(str(folder / f'{number}.png'), np.full((96, 96, 3), 90, np.uint8))
    return folder / 'instances.json'


def test_images_with_one_object_are_asked(tmp_path, run_tool, capsys):
    assert run_tool(TOOL, write(tmp_path), tmp_path, 'dog') == 0
    # of a grey image the shipped model takes most, as good as the dog of image 1
    line = capsys.readouterr().out.splitlines()[-1]
    assert re.fullmatch(r'P@0\.5 (0\.0|50\.0) % \([01] of 2 images\)', line)


@pytest.mark.parametrize(
    ('content', 'told'),
    [
        (b'[]', "no list 'images'; it must be a COCO file"),
        (b'{"images": []}', "no list 'annotations'; it must be"),
        (b'{"images": [], "annotations": []}', "no list 'categories'; it must be"),
        (
            b'{"images": [], "annotations": [], "categories": [{}]}',
            "categories entry 0: has no 'id'",
        ),
        (b'', 'not a complete JSON file'),
        (b'{"images": [', 'not a complete JSON file'),
        (b'\xff\xd8\xff\xe0', 'text'),
    ],
)
def test_another_file_is_named(tmp_path, run_tool, capsys, content, told):
    (tmp_path / 'other.json').write_bytes(content)
    assert run_tool(TOOL, tmp_path / 'other.json', tmp_path, 'dog') == 1
    error = capsys.readouterr().err
    assert error.startswith(f'error: {tmp_path}/other.json: ') and told in error


@pytest.mark.parametrize(
    ('values', 'told'),
    [
        (dict(bbox=[0, 0, 9]), "annotations entry 1: its 'bbox' is [0, 0, 9], not fo"),
        (dict(bbox=['0', 0, 9, 9]), "annotations entry 1: its 'bbox' is ['0', 0, 9, 9"),
        (dict(bbox=[0, float('nan'), 9, 9]), "annotations id 1: its 'bbox' [0, nan"),
        (dict(bbox=[9, 9, -9, 9]), "annotations id 1: its 'bbox' [9, 9, -9, 9] is no"),
        (dict(category_id='dog'), "annotations id 1: its 'category_id' is 'dog'"),
        (dict(image_id=7), 'annotations id 1: its image 7 is not there'),
    ],
)
def test_a_faulty_annotation_is_named(tmp_path, run_tool, capsys, values, told):
    path = write(tmp_path, lambda content: content['annotations'][1].update(values))
    assert run_tool(TOOL, path, tmp_path, 'dog') == 1
    assert f'error: {path}: {told}' in capsys.readouterr().err


def test_two_images_of_one_file_are_refused(tmp_path, run_tool, capsys):
    path = write(
        tmp_path, lambda content: content['images'][2].update(file_name='1.png')
    )
    assert run_tool(TOOL, path, tmp_path, 'dog') == 1
    assert 'file_name 1.png occurs 2 times' in capsys.readouterr().err


def test_an_unknown_category_is_named_with_those_there_are(tmp_path, run_tool, capsys):
    assert run_tool(TOOL, write(tmp_path), tmp_path, 'horse') == 1
    assert "no category 'horse', only cat, dog" in capsys.readouterr().err
