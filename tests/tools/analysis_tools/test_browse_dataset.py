from pathlib import Path

import cv2
import numpy as np
import pytest

TOOL = 'tools/analysis_tools/browse_dataset.py'
CONFIG = Path(__file__).parents[3] / 'configs/_base_/datasets/refcoco-mini.py'


@pytest.fixture
def browse(run_tool, mini_refcoco, tmp_path):
    def run(*options):
        arguments = ('--data-root', mini_refcoco, '--output-dir', tmp_path / 'out')
        assert run_tool(TOOL, CONFIG, *arguments, *options) == 0
        return {p.name: cv2.imread(str(p)) for p in (tmp_path / 'out').iterdir()}

    return run


def test_images_are_spread_over_the_data_set(browse, capsys):
    assert sorted(browse('-n', 3)) == [
        'train_000000.jpg',
        'train_000006.jpg',
        'train_000011.jpg',
    ]
    assert 'block' in capsys.readouterr().out


def test_epoch_repeats_its_augmentation_and_no_other(browse):
    first, again, other = (
        browse('-n', 1, '--epoch', epoch)['train_000000.jpg'] for epoch in (0, 0, 1)
    )
    assert np.array_equal(first, again)
    assert first.shape != other.shape or not np.array_equal(first, other)


@pytest.mark.parametrize('mode', ['train', 'val', 'test'])
def test_box_lies_on_its_object(browse, mode):
    """The green frame's inside has the colour of the referent's rectangle."""
    for image in browse('-n', 4, '--mode', mode).values():
        blue, green, red = np.moveaxis(image[:640].astype(int), 2, 0)
        frame = (green > 130) & (red < 60) & (blue < 60)
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
