"""A folder of a fit; makes ``made_rows`` importable."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))
from made_rows import LEFT, RIGHT, make_row  # noqa: E402


@pytest.fixture
def work_dir(tmp_path):
    """Twelve training images and four of test, each with a dog left and a cat right."""
    images = tmp_path / 'images'
    images.mkdir()
    (tmp_path / 'work' / 'data').mkdir(parents=True)
    number = 0
    for split, count in (('train', 12), ('test', 4)):
        lines = []
        for index in range(count):
            name = f'{split}{index}.png'
            pixels = np.full((100, 100, 3), 120, np.uint8)
            Image.fromarray(pixels).save(images / name)
            for text, box, kind in (
                ('the dog', LEFT, 'dog'),
                ('the cat', RIGHT, 'cat'),
            ):
                row = make_row(number, name, text, box, kind=kind)
                lines.append(json.dumps(row) + '\n')
                number += 1
        (tmp_path / 'work' / 'data' / f'{split}.jsonl').write_text(''.join(lines))
    summary = dict(image_root=str(images), constant_box=[0, 0, 0.4, 1])
    (tmp_path / 'work' / 'data' / 'summary.json').write_text(json.dumps(summary))
    return tmp_path / 'work'
