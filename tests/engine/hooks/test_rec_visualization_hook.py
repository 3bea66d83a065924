import re
from types import SimpleNamespace
from unittest.mock import Mock

import cv2
import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData

from m2ist_mm.engine import RECVisualizationHook

BOX = torch.tensor([[0.0, 0, 4, 4]])


def build_sample(path, ids, shift=0.0, **metainfo):
    """A sample whose last expression is predicted ``shift`` pixels away."""
    texts = tuple(f'thing {number}' for number in ids)
    sample = DetDataSample(
        metainfo=dict(img_path=str(path), sent_id=ids, text=texts, **metainfo)
    )
    labels, boxes = torch.arange(len(ids)), BOX.repeat(len(ids), 1)
    sample.gt_instances = InstanceData(bboxes=boxes, labels=labels)
    predicted = boxes.clone()
    predicted[-1, 0::2] += shift
    sample.pred_instances = InstanceData(bboxes=predicted, labels=labels)
    return sample


@pytest.fixture
def scene(tmp_path):
    path = tmp_path / 'scene.png'
    image = np.zeros((4, 6, 3), np.uint8)
    image[..., 0] = 255  # blue, in OpenCV's order
    cv2.imwrite(str(path), image)
    return path


@pytest.fixture
def samples(scene):
    """Three samples of one image; the last one has two expressions."""
    return [
        build_sample(scene, (7,), shift=2),
        build_sample(scene, (8,), kind='colour'),
        build_sample(scene, (9, 10), shift=5),
    ]


def draw(hook, samples):
    def write(name, image, out_file=None, **kwargs):
        if out_file is not None:
            cv2.imwrite(out_file, image)

    runner = Mock(visualizer=SimpleNamespace(add_datasample=Mock(side_effect=write)))
    hook.before_test_epoch(runner)
    hook.after_test_iter(runner, 0, outputs=samples[:1])
    hook.after_test_iter(runner, 1, outputs=samples[1:])
    hook.after_test_epoch(runner)
    return runner.visualizer.add_datasample.call_args_list


def test_nothing_is_drawn_unless_asked_for(samples):
    assert draw(RECVisualizationHook(), samples) == []


def test_each_expression_of_an_image_has_its_own_image(samples, tmp_path):
    calls = draw(RECVisualizationHook(out_dir=str(tmp_path)), samples)
    assert [call.kwargs['out_file'] for call in calls] == [
        f'{tmp_path}/scene_7.jpg',
        f'{tmp_path}/scene_8.jpg',
        f'{tmp_path}/scene_9-10.jpg',
    ]
    assert [call.kwargs['data_sample'] for call in calls] == samples
    assert calls[0].args[1].shape == (4, 6, 3)
    assert (calls[0].args[1] == (0, 0, 255)).all()  # RGB
    assert not calls[0].kwargs['show']


def test_page_has_the_lowest_iou_first(samples, tmp_path, monkeypatch):
    hook = RECVisualizationHook(out_dir=str(tmp_path))
    without_truth = build_sample(samples[0].img_path, (11,))
    without_truth.gt_instances = without_truth.gt_instances[:0]
    draw(hook, [*samples, without_truth])
    page = (tmp_path / 'contact_sheet.html').read_text()
    assert '<h1 dir="auto">4 samples, lowest IoU first</h1>' in page
    titles = re.findall('<h3.*>(.*)</h3>', page)
    assert titles == [
        'IoU 0.00: thing 10',
        'IoU 0.33: thing 7',
        'IoU 1.00: thing 8',
        'thing 11',
    ]
    lines = re.findall('<p.*>(.*)</p>', page)
    assert lines == [
        'scene_9-10.jpg',
        'scene_7.jpg',
        'scene_8.jpg',
        'colour',
        'scene_11.jpg',
    ]
    assert page.count('data:image/jpeg') == 4

    monkeypatch.setattr(hook, 'max_cards', 1)
    draw(hook, samples)
    page = (tmp_path / 'contact_sheet.html').read_text()
    assert '1 of 3 samples, lowest IoU first' in page
    assert re.findall('<h3.*>(.*)</h3>', page) == titles[:1]


def test_files_of_several_datasets_do_not_collide(scene, tmp_path):
    other = tmp_path / 'other' / 'scene.png'
    other.parent.mkdir()
    other.write_bytes(scene.read_bytes())
    samples = [
        build_sample(scene, (1,), dataset='refcoco', split='val'),
        build_sample(scene, (1,), dataset='refcoco', split='testA'),
        build_sample(scene, (1,), dataset='my/own: set', split='val'),
        build_sample(scene, (1,)),  # without a name
        build_sample(other, (1,)),
        build_sample(scene, tuple(range(500))),
    ]
    calls = draw(RECVisualizationHook(out_dir=str(tmp_path)), samples)
    assert [call.args[0] for call in calls] == [
        'refcoco_val_scene_1.jpg',
        'refcoco_testA_scene_1.jpg',
        'my-own--set_val_scene_1.jpg',
        'scene_1.jpg',
        'scene_1_1.jpg',
        'scene_0-and-499-more.jpg',
    ]
    assert len(list(tmp_path.glob('*.jpg'))) == 6


def test_interval_leaves_samples_out_and_starts_anew_each_test(samples, tmp_path):
    hook = RECVisualizationHook(out_dir=str(tmp_path), interval=2)
    for _ in range(2):
        files = [call.args[0] for call in draw(hook, samples)]
        assert files == ['scene_7.jpg', 'scene_9-10.jpg']


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
