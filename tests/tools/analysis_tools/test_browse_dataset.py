import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from m2ist_mm.visualization import expression_colors

TOOL = 'tools/analysis_tools/browse_dataset.py'
CONFIG = Path(__file__).parents[3] / 'configs/_base_/datasets/refcoco-mini.py'
REORDERED = f"""
_base_ = {str(CONFIG)!r}
load_image, *place, load_boxes, pack = _base_.test_pipeline
train_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
val_dataloader = dict(dataset=dict(pipeline=[load_image, load_boxes, *place, pack]))
test_dataloader = val_dataloader
"""


@pytest.fixture
def browse(run_tool, mini_refcoco, tmp_path):
    def run(*options, config=CONFIG):
        arguments = ('--data-root', mini_refcoco, '--output-dir', tmp_path / 'out')
        assert run_tool(TOOL, config, *arguments, *options) == 0
        images = sorted((tmp_path / 'out').glob('*.jpg'))
        return {path.name: cv2.imread(str(path)) for path in images}

    return run


def test_images_are_spread_over_the_data_set(browse, capsys, tmp_path):
    names = list(browse('-n', 3))
    for name, index in zip(names, (0, 6, 11), strict=True):
        assert re.fullmatch(
            rf'train_{index:06d}_.*_COCO_train2014_\d+_{index}.jpg', name
        )
    assert 'block' in capsys.readouterr().out
    page = (tmp_path / 'out' / 'train.html').read_text()
    assert 'train: 3 of 12 samples' in page
    assert re.findall('<h3.*>(.*)</h3>', page) == names
    assert page.count('data:image/jpeg') == 3
    assert len(re.findall('<p.*(block|one)</p>', page)) == 3


def test_epoch_repeats_its_augmentation_and_no_other(browse):
    first, again, other = (
        next(iter(browse('-n', 1, '--epoch', epoch).values())) for epoch in (0, 0, 1)
    )
    assert np.array_equal(first, again)
    assert first.shape != other.shape or not np.array_equal(first, other)


@pytest.mark.parametrize('mode', ['train', 'val', 'test'])
@pytest.mark.parametrize('reordered', [False, True])
def test_box_lies_on_its_object(browse, mode, reordered, tmp_path):
    """The frame's inside has the colour of the referent's rectangle."""
    config = CONFIG
    if reordered:  # the ground truth is loaded last in training, and first in tests
        config = tmp_path / 'reordered.py'
        config.write_text(REORDERED)
    for image in browse('-n', 4, '--mode', mode, config=config).values():
        orange = expression_colors(1)[0][::-1]
        frame = np.abs(image[:640].astype(int) - orange).max(axis=2) < 30
        rows, columns = np.nonzero(frame)
        inside = image[
            rows.min() + 8 : rows.max() - 8, columns.min() + 8 : columns.max() - 8
        ]
        spread = inside.max(axis=2).astype(int) - inside.min(axis=2)
        assert (spread > 60).mean() > 0.95  # magenta or yellow, not the grey ground


def test_missing_data_set_is_one_error(run_tool, tmp_path, capsys):
    out = tmp_path / 'out'
    code = run_tool(TOOL, CONFIG, '--data-root', tmp_path, '--output-dir', out)
    assert code == 1
    assert capsys.readouterr().err.count('\n') == 1
    assert not out.exists()
