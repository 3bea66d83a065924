import warnings
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from mmdet.engine.hooks import DetVisualizationHook
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from mmengine.visualization import Visualizer

from m2ist_mm.visualization import RECVisualizer

GREEN, ORANGE = RECVisualizer.true_color, RECVisualizer.predicted_color


@pytest.fixture
def visualizer():
    return RECVisualizer.get_instance('rec_visualizer_test')


def build_sample(text='left dog', boxes=((20, 30, 90, 60),), shift=10, **metainfo):
    boxes = torch.tensor(boxes, dtype=torch.float32)
    sample = DetDataSample(metainfo=dict(text=text, **metainfo))
    labels = torch.arange(len(boxes))
    sample.gt_instances = InstanceData(bboxes=boxes, labels=labels)
    sample.pred_instances = InstanceData(bboxes=boxes + shift, labels=labels)
    return sample


def draw(visualizer, tmp_path, sample, size=(120, 160), **kwargs):
    path = tmp_path / 'drawn.png'
    image = np.zeros((*size, 3), np.uint8)
    visualizer.add_datasample('x', image, sample, out_file=str(path), **kwargs)
    return cv2.imread(str(path))[..., ::-1]


def bounds(image, color):
    """xyxy of the pixels that have nearly the colour."""
    rows, columns = np.nonzero(np.abs(image.astype(int) - color).max(axis=2) < 30)
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


def test_small_image_is_enlarged_with_its_boxes(visualizer, tmp_path):
    drawn = draw(visualizer, tmp_path, build_sample())
    assert drawn.shape[1] == 480  # 3 x 160
    assert drawn.shape[0] > 360  # 3 x 120 and the caption
    image = drawn[:360]
    np.testing.assert_allclose(bounds(image, GREEN), [60, 90, 270, 180], atol=3)
    np.testing.assert_allclose(bounds(image, ORANGE), [90, 120, 300, 210], atol=3)


def test_large_image_keeps_its_size(visualizer, tmp_path):
    drawn = draw(visualizer, tmp_path, build_sample(), size=(500, 600))
    assert drawn.shape[1] == 600
    np.testing.assert_allclose(bounds(drawn[:500], GREEN), [20, 30, 90, 60], atol=3)


def test_caption_lies_below_the_image_and_grows_with_the_text(visualizer, tmp_path):
    short = draw(visualizer, tmp_path, build_sample('dog'))
    long = draw(visualizer, tmp_path, build_sample('dog ' * 60))
    assert (short[360:] < 100).any()
    assert long.shape[0] > short.shape[0] + 50
    # No letter is cut off at the right: the last columns are white.
    assert (long[366:, -3:] > 250).all()


def test_one_kind_of_box_can_be_left_out(visualizer, tmp_path):
    drawn = draw(visualizer, tmp_path, build_sample(), draw_pred=False)
    bounds(drawn, GREEN)
    with pytest.raises(ValueError, match='zero-size'):
        bounds(drawn, ORANGE)


def test_box_that_is_not_finite_or_leaves_the_image_is_no_error(visualizer, tmp_path):
    sample = build_sample(boxes=((-50, -20, 400, 60),))
    sample.pred_instances.bboxes[0, 2] = float('nan')
    with warnings.catch_warnings():
        warnings.simplefilter('error', UserWarning)
        drawn = draw(visualizer, tmp_path, sample)
    np.testing.assert_allclose(bounds(drawn[:360], GREEN), [0, 0, 480, 180], atol=3)


def test_dollars_are_no_formula(visualizer, tmp_path):
    draw(visualizer, tmp_path, build_sample(r'the $5 bill and the $\bad one'))


def test_several_expressions_are_numbered(visualizer, tmp_path):
    boxes = ((20, 30, 60, 60), (100, 30, 140, 60), (20, 30, 60, 60))
    sample = build_sample(('dog', 'cat', 'old dog'), boxes)
    one = draw(visualizer, tmp_path, build_sample(boxes=boxes[:1]))
    drawn = draw(visualizer, tmp_path, sample)
    assert drawn.shape[0] > one.shape[0]
    # The number's white ground lies above its box.
    assert (drawn[73:86, 63:80] > 150).mean() > 0.5
    assert (one[73:86, 63:80] > 150).sum() == 0


def captions(visualizer, tmp_path, monkeypatch, sample):
    """What is written, and where it begins, in pixels of the image."""
    lines = []
    write = RECVisualizer._write

    def record(self, text, position, *args):
        lines.append((text, round(position[0] / 3)))  # drawn at three times its size
        write(self, text, position, *args)

    monkeypatch.setattr(RECVisualizer, '_write', record)
    draw(visualizer, tmp_path, sample)
    return lines


def test_boxes_belong_to_the_expression_of_their_label(
    visualizer, tmp_path, monkeypatch
):
    boxes = ((20, 30, 60, 60), (100, 30, 140, 60), (20, 70, 60, 90))
    sample = build_sample(('dog', 'cat', 'cow'), boxes)
    sample.pred_instances = InstanceData(
        bboxes=torch.tensor([[100.0, 30, 140, 60], [20, 30, 60, 60]]),
        labels=torch.tensor([1, 0]),
    )
    lines = captions(visualizer, tmp_path, monkeypatch, sample)
    assert lines[:5] == [('1', 21), ('2', 101), ('3', 21), ('1', 21), ('2', 101)]
    assert ('predicted, IoU 1.00, 1.00, -', 2) in lines


def test_caption_is_cut_after_so_many_lines(visualizer, tmp_path, monkeypatch):
    monkeypatch.setattr(RECVisualizer, 'max_lines', 3)
    sample = build_sample(' '.join(10 * ['a' * 52]))  # a line each
    lines = captions(visualizer, tmp_path, monkeypatch, sample)
    assert [text for text, _ in lines] == [
        *3 * ['a' * 52],
        '... 7 more lines',
        'ground truth',
        'predicted, IoU 0.40',
    ]


def test_expression_may_have_several_boxes(visualizer, tmp_path, monkeypatch):
    boxes = ((20, 30, 60, 60), (100, 30, 140, 60), (20, 70, 60, 90))
    sample = build_sample(('dogs', 'cow'), boxes)
    sample.gt_instances.labels = torch.tensor([0, 0, 1])
    sample.pred_instances = InstanceData(
        bboxes=torch.tensor([[100.0, 30, 140, 60]]), labels=torch.tensor([0])
    )
    lines = captions(visualizer, tmp_path, monkeypatch, sample)
    assert lines[:4] == [('1', 21), ('1', 101), ('2', 21), ('1', 101)]
    assert ('predicted, IoU 1.00, -', 2) in lines


def test_sample_may_have_nothing_but_an_image(visualizer, tmp_path):
    drawn = draw(visualizer, tmp_path, None, size=(500, 600))
    assert (drawn[:500] == 0).all()


def test_mmdet_hook_draws_predictions_without_scores(visualizer, tmp_path):
    assert Visualizer.get_current_instance() is visualizer
    cv2.imwrite(str(tmp_path / 'a.jpg'), np.zeros((120, 160, 3), np.uint8))
    hook = DetVisualizationHook(draw=True, test_out_dir='images')
    runner = SimpleNamespace(work_dir=str(tmp_path), timestamp='now')
    sample = build_sample(img_path=str(tmp_path / 'a.jpg'))
    hook.after_test_iter(runner, 0, {}, [sample])
    drawn = cv2.imread(str(tmp_path / 'now' / 'images' / 'a.jpg'))
    assert drawn.shape[1] == 480
