from types import SimpleNamespace
from unittest.mock import Mock

import cv2
import numpy as np
import pytest

from m2ist_mm.engine import RECVisualizationHook


@pytest.fixture
def samples(tmp_path):
    """Three samples of one image; the last one has two expressions."""
    path = tmp_path / 'scene.png'
    image = np.zeros((4, 6, 3), np.uint8)
    image[..., 0] = 255  # blue, in OpenCV's order
    cv2.imwrite(str(path), image)
    ids = (7, 8, (9, 10))
    return [SimpleNamespace(img_path=str(path), sent_id=sent_id) for sent_id in ids]


def draw(hook, samples):
    runner = Mock()
    hook.before_test_epoch(runner)
    hook.after_test_iter(runner, 0, outputs=samples[:1])
    hook.after_test_iter(runner, 1, outputs=samples[1:])
    return runner.visualizer.add_datasample.call_args_list


def test_nothing_is_drawn_unless_asked_for(samples):
    assert draw(RECVisualizationHook(), samples) == []


def test_each_expression_of_an_image_has_its_own_image(samples):
    calls = draw(RECVisualizationHook(out_dir='out'), samples)
    assert [call.kwargs['out_file'] for call in calls] == [
        'out/scene_7.jpg',
        'out/scene_8.jpg',
        'out/scene_9-10.jpg',
    ]
    assert [call.kwargs['data_sample'] for call in calls] == samples
    assert calls[0].args[1].shape == (4, 6, 3)
    assert (calls[0].args[1] == (0, 0, 255)).all()  # RGB
    assert not calls[0].kwargs['show']


def test_interval_leaves_samples_out_and_starts_anew_each_test(samples):
    hook = RECVisualizationHook(out_dir='out', interval=2)
    for _ in range(2):
        files = [call.kwargs['out_file'] for call in draw(hook, samples)]
        assert files == ['out/scene_7.jpg', 'out/scene_9-10.jpg']


def test_shown_images_are_not_written(samples, monkeypatch):
    monkeypatch.setenv('DISPLAY', ':0')
    calls = draw(RECVisualizationHook(show=True, wait_time=1.5), samples)
    assert len(calls) == 3
    for call in calls:
        assert call.kwargs['show']
        assert call.kwargs['wait_time'] == 1.5
        assert call.kwargs['out_file'] is None


def test_without_a_display_nothing_is_shown(monkeypatch):
    monkeypatch.setattr('sys.platform', 'linux')
    monkeypatch.delenv('DISPLAY', raising=False)
    monkeypatch.delenv('WAYLAND_DISPLAY', raising=False)
    with pytest.raises(ValueError, match='no display; .*--show-dir'):
        RECVisualizationHook(show=True)
