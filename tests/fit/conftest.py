import csv

import cv2
import numpy as np
import pytest

from m2ist_mm.config import load_config_file
from m2ist_mm.fit.fit_config import Settings, render_config

COLOURS = dict(red=(0, 0, 220), green=(0, 200, 0), blue=(220, 0, 0))


def write_squares(folder, images=30):
    """Write images with a square of each colour, and a table with a row for each."""
    (folder / 'images').mkdir(parents=True)
    generator = np.random.default_rng(0)
    rows = []
    for number in range(images):
        image = generator.integers(0, 90, (72, 96, 3)).astype(np.uint8)
        name = f'images/{number:03d}.png'
        for place, (colour, value) in enumerate(COLOURS.items()):
            # uneven numbers of sentences
            if place > number % 3:
                continue
            x, y = 4 + 30 * place, int(generator.integers(4, 40))
            image[y : y + 24, x : x + 24] = value
            box = x, y, x + 24, y + 24
            rows.append((name, f'the {colour} square', *box))
        cv2.imwrite(str(folder / name), image)
    with open(folder / 'labels.csv', 'w', newline='') as file:
        writer = csv.writer(file)
        writer.writerow(['image', 'expression', 'x1', 'y1', 'x2', 'y2'])
        writer.writerows(rows)
    return folder


@pytest.fixture
def squares(tmp_path):
    """30 images, 60 expressions: a folder with a table."""
    return write_squares(tmp_path / 'squares')


@pytest.fixture
def settings(nano_path):
    """Of a training of 16 samples a step."""
    return Settings(
        base=str(nano_path),
        image_root='/images',
        max_expressions=4,
        batch_size=16,
        epochs=4,
        steps_per_epoch=7,
        seed=3,
    )


@pytest.fixture
def load(tmp_path):
    """Write the config of settings, and read it."""

    def load(settings):
        path = tmp_path / 'config.py'
        path.write_text(render_config(settings))
        return load_config_file(path)

    return load
