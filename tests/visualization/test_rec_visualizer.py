from pathlib import Path
from types import SimpleNamespace

import cv2
import matplotlib
import numpy as np
import pytest
import torch
from mmdet.engine.hooks import DetVisualizationHook
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from mmengine.visualization import Visualizer

from m2ist_mm.visualization import RECVisualizer, expression_colors, rec_visualizer

ORANGE, BLUE, GREEN = expression_colors(3)


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


def close_to(image, color):
    return np.abs(image.astype(int) - color).max(axis=-1) < 30


def bounds(image, color):
    """xyxy of the pixels that have nearly the colour."""
    rows, columns = np.nonzero(close_to(image, color))
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


def test_small_image_is_enlarged_with_its_boxes(visualizer, tmp_path):
    sample = build_sample()
    drawn = draw(visualizer, tmp_path, sample, draw_pred=False)
    assert drawn.shape[1] == 480  # 3 x 160
    assert drawn.shape[0] > 360  # 3 x 120 and the caption
    assert bounds(drawn[:360], ORANGE) == [60, 90, 270, 180]
    drawn = draw(visualizer, tmp_path, sample, draw_gt=False)
    assert bounds(drawn[:360], ORANGE) == [90, 120, 300, 210]


def test_large_image_keeps_its_size(visualizer, tmp_path):
    sample = build_sample()
    drawn = draw(visualizer, tmp_path, sample, size=(500, 600), draw_pred=False)
    assert drawn.shape[1] == 600
    assert bounds(drawn[:500], ORANGE) == [20, 30, 90, 60]


def test_ground_truth_is_dashed(visualizer, tmp_path):
    boxes = ((20, 30, 300, 400),)
    for kind, low, high in (('gt', 0.4, 0.7), ('pred', 1, 1)):
        kinds = dict(draw_gt=kind == 'gt', draw_pred=kind == 'pred')
        sample = build_sample(boxes=boxes, shift=0)
        drawn = draw(visualizer, tmp_path, sample, size=(500, 600), **kinds)
        top, left = drawn[31, 20:300], drawn[30:400, 21]
        for side in (top, left):
            assert low <= close_to(side, ORANGE).mean() <= high
            assert close_to(side, ORANGE)[[0, -1]].all()
    # dashes are seen on the solid line of a perfect prediction
    both = draw(visualizer, tmp_path, build_sample(boxes=boxes, shift=0), (500, 600))
    assert (both[31, 20:300] > 250).all(axis=-1).any()


def test_lines_and_letters_grow_with_the_image(visualizer, tmp_path):
    sizes = []
    for scale in (1, 8):
        sample = build_sample(
            'dog', torch.tensor([[60.0, 75, 250, 300]]).mul(scale).tolist()
        )
        size = 375 * scale, 500 * scale
        drawn = draw(visualizer, tmp_path, sample, size, draw_gt=False)
        row = close_to(drawn[150 * scale, : 200 * scale], ORANGE)
        sizes.append((row.sum(), len(drawn) - size[0]))
    (thin, small), (thick, large) = sizes
    assert thin >= 2
    assert 6 * thin < thick < 10 * thin
    assert large > 5 * small


def test_caption_lies_below_the_image_and_grows_with_the_text(visualizer, tmp_path):
    short = draw(visualizer, tmp_path, build_sample('dog'))
    long = draw(visualizer, tmp_path, build_sample('dog ' * 60))
    assert (short[360:] < 100).any()
    assert long.shape[0] > short.shape[0] + 50
    # No letter is cut off at the right: the last columns are white.
    assert (long[366:, -3:] > 250).all()


def test_one_kind_of_box_can_be_left_out(visualizer, tmp_path):
    both = draw(visualizer, tmp_path, build_sample())
    truth = draw(visualizer, tmp_path, build_sample(), draw_pred=False)
    assert len(truth) < len(both)  # nor does the caption speak of it
    assert not close_to(truth[:360, 271:], ORANGE).any()
    assert close_to(both[:360, 271:], ORANGE).any()


def test_box_that_is_not_finite_or_leaves_the_image_is_no_error(visualizer, tmp_path):
    sample = build_sample(boxes=((-50, -20, 400, 60),))
    sample.pred_instances.bboxes[0, 2] = float('nan')
    drawn = draw(visualizer, tmp_path, sample)
    assert bounds(drawn[:360], ORANGE) == [0, 0, 480, 180]


def test_every_expression_has_its_colour_and_number(visualizer, tmp_path):
    boxes = ((20, 30, 60, 60), (100, 30, 140, 60), (20, 30, 60, 60))
    one = draw(visualizer, tmp_path, build_sample(boxes=boxes[:1]), draw_gt=False)
    sample = build_sample(('dog', 'cat', 'old dog'), boxes, shift=0)
    drawn = draw(visualizer, tmp_path, sample, draw_gt=False)
    assert drawn.shape[0] > one.shape[0]
    label = (slice(72, 90), slice(60, 78))
    assert close_to(drawn[label], ORANGE).mean() > 0.5  # above its box
    assert (drawn[label] > 250).all(axis=-1).any()  # a number
    assert not close_to(one[label], ORANGE).any()
    left, right = drawn[110:180, 60:180], drawn[110:180, 300:420]
    assert bounds(right, BLUE) == [0, 0, 120, 70]
    # two boxes at the same place share the line
    line = left[:, 0]
    assert 0.3 < close_to(line, ORANGE).mean() < 0.7
    assert close_to(line, GREEN).mean() == 1 - close_to(line, ORANGE).mean()


@pytest.fixture
def said(monkeypatch):
    """Boxes with their labels, and entries of the caption, of what is drawn."""
    record = SimpleNamespace(boxes=[], lines=[])
    for name, part in (('draw_boxes', 'boxes'), ('add_caption', 'lines')):
        function = getattr(rec_visualizer, name)

        def call(image, given, *args, function=function, part=part):
            setattr(record, part, given)
            return function(image, given, *args)

        monkeypatch.setattr(rec_visualizer, name, call)
    return record


def test_boxes_belong_to_the_expression_of_their_label(visualizer, tmp_path, said):
    boxes = ((20, 30, 60, 60), (100, 30, 140, 60), (20, 70, 60, 90))
    sample = build_sample(('dog', 'cat', 'cow'), boxes)
    sample.pred_instances = InstanceData(
        bboxes=torch.tensor([[100.0, 30, 140, 60], [20, 30, 60, 60]]),
        labels=torch.tensor([1, 0]),
    )
    draw(visualizer, tmp_path, sample)
    found = [
        (box.label, round(box.corners[0] / 3), box.color, box.dashed)
        for box in said.boxes
    ]
    assert found == [
        ('1', 20, ORANGE, False),
        ('2', 100, BLUE, False),
        ('1', 20, ORANGE, True),
        ('2', 100, BLUE, True),
        ('3', 20, GREEN, True),
    ]
    assert [line.text for line in said.lines] == [
        'dog (IoU 1.00)',
        'cat (IoU 1.00)',
        'cow (IoU 0.00)',
        'predicted',
        'ground truth',
    ]


def test_expression_may_have_several_boxes(visualizer, tmp_path, said):
    boxes = ((20, 30, 60, 60), (100, 30, 140, 60), (20, 70, 60, 90))
    sample = build_sample(('dogs', 'cow'), boxes)
    sample.gt_instances.labels = torch.tensor([0, 0, 1])
    sample.pred_instances = InstanceData(
        bboxes=torch.tensor([[100.0, 30, 140, 60]]), labels=torch.tensor([0])
    )
    draw(visualizer, tmp_path, sample)
    assert [box.label for box in said.boxes] == ['1', '1', '1', '2']
    texts = [line.text for line in said.lines]
    assert texts[:2] == ['dogs (IoU 1.00)', 'cow (IoU 0.00)']


def test_caption_is_cut_where_it_is_too_high(visualizer, tmp_path, monkeypatch):
    monkeypatch.setattr(RECVisualizer, 'max_caption_height', 70)
    sample = build_sample('dog ' * 200)
    drawn = draw(visualizer, tmp_path, sample, draw_gt=False)
    assert 360 + 70 < len(drawn) < 360 + 120  # three lines and how many are left out


def test_numbers_without_room_are_told(visualizer, tmp_path, said):
    boxes = ((0, 0, 2, 2),) * 3
    sample = build_sample(('one', 'two', 'three'), boxes, shift=0)
    draw(visualizer, tmp_path, sample, size=(19, 400), draw_gt=False)
    assert said.lines[-1].text == 'predicted'
    draw(visualizer, tmp_path, sample, size=(400, 9), draw_gt=False)
    assert said.lines[-1].text == '3 numbers found no room in the image'


def test_font_can_be_chosen(tmp_path):
    font = str(Path(matplotlib.get_data_path(), 'fonts', 'ttf', 'STIXGeneral.ttf'))
    plain, other = (RECVisualizer('font test', font=name) for name in (None, font))
    drawn = [draw(one, tmp_path, build_sample()) for one in (plain, other)]
    assert drawn[0].shape != drawn[1].shape or (drawn[0] != drawn[1]).any()


def test_image_is_got_with_what_mmengine_has_added(visualizer, tmp_path):
    drawn = draw(visualizer, tmp_path, build_sample())
    assert (visualizer.get_image() == drawn).all()
    visualizer.draw_bboxes(np.array([5, 5, 100, 100]), edge_colors='r', alpha=1)
    assert close_to(visualizer.get_image(), (255, 0, 0)).any()


def test_sample_may_have_nothing_but_an_image(visualizer, tmp_path):
    drawn = draw(visualizer, tmp_path, None, size=(500, 600))
    assert drawn.shape == (500, 600, 3)
    assert (drawn == 0).all()


@pytest.mark.parametrize('size', [(1, 1), (1, 3000), (3000, 1)])
def test_images_of_any_shape_can_be_drawn(visualizer, tmp_path, size):
    boxes = ((0, 0, size[1], size[0]),) * 3
    sample = build_sample(('left dog', 'the brown dog', 'x'), boxes, shift=0)
    drawn = draw(visualizer, tmp_path, sample, size=size)
    assert drawn.shape[1] >= max(size[1], 300)  # room for words


def test_mmdet_hook_draws_predictions_without_scores(visualizer, tmp_path):
    assert Visualizer.get_current_instance() is visualizer
    cv2.imwrite(str(tmp_path / 'a.jpg'), np.zeros((120, 160, 3), np.uint8))
    hook = DetVisualizationHook(draw=True, test_out_dir='images')
    runner = SimpleNamespace(work_dir=str(tmp_path), timestamp='now')
    sample = build_sample(img_path=str(tmp_path / 'a.jpg'))
    hook.after_test_iter(runner, 0, {}, [sample])
    drawn = cv2.imread(str(tmp_path / 'now' / 'images' / 'a.jpg'))
    assert drawn.shape[1] == 480
