import json

import pytest
import torch
from mmdet.registry import METRICS
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import HorizontalBoxes
from mmengine.evaluator import Evaluator
from mmengine.structures import InstanceData

from m2ist_mm.evaluation import RECMetric


def build_sample(overlaps, **metainfo):
    """A sample whose predictions have the given IoUs; None for none at all."""
    count = len(overlaps)
    sample = DetDataSample(
        metainfo=dict(
            img_path='a.jpg',
            text=tuple(f'dog {n}' for n in range(count)),
            sent_id=tuple(range(count)),
            **metainfo,
        )
    )
    true = [[10.0, 20.0, 110.0, 120.0] for _ in overlaps]
    predicted = [
        [10.0, 20.0, 10.0 + 100 * iou, 120.0] for iou in overlaps if iou is not None
    ]
    sample.gt_instances = InstanceData(
        bboxes=torch.tensor(true), labels=torch.arange(count)
    )
    labels = [index for index, iou in enumerate(overlaps) if iou is not None]
    sample.pred_instances = InstanceData(
        bboxes=torch.tensor(predicted).reshape(-1, 4),
        labels=torch.tensor(labels, dtype=torch.long),
    )
    return sample


def evaluate(samples, **kwargs):
    evaluator = Evaluator(RECMetric(**kwargs))
    evaluator.process(samples[:1])
    evaluator.process(samples[1:])
    return evaluator.evaluate(len(samples))


def test_figures_are_percentages_of_all_expressions():
    figures = evaluate([build_sample([iou]) for iou in (1.0, 0.75, 0.5, 0.25)])
    assert figures == {
        'rec/P@0.5': 75.0,
        'rec/P@0.6': 50.0,
        'rec/P@0.7': 50.0,
        'rec/P@0.8': 25.0,
        'rec/P@0.9': 25.0,
        'rec/mIoU': pytest.approx(62.5),
        'rec/expressions': 4,
        'rec/truncated': 0,
    }


def test_grouped_expressions_count_one_by_one():
    figures = evaluate([build_sample([1.0, 0.0, 1.0]), build_sample([0.0])])
    assert figures['rec/P@0.5'] == 50
    assert figures['rec/expressions'] == 4


def test_samples_that_a_distributed_sampler_repeats_are_dropped():
    evaluator = Evaluator(RECMetric())
    evaluator.process([build_sample([1.0, 0.0]), build_sample([1.0, 0.0])])
    assert evaluator.evaluate(1)['rec/expressions'] == 2


@pytest.mark.parametrize('value', [float('nan'), float('inf')])
def test_box_that_is_not_finite_is_a_miss(value):
    samples = [build_sample([1.0]), build_sample([1.0])]
    samples[0].pred_instances.bboxes[0, 2] = value
    figures = evaluate(samples)
    assert figures['rec/P@0.5'] == 50
    assert figures['rec/mIoU'] == pytest.approx(50)


def test_no_prediction_is_a_miss():
    assert evaluate([build_sample([1.0]), build_sample([None])])['rec/P@0.5'] == 50


def test_box_turned_inside_out_is_a_miss():
    sample = build_sample([1.0])
    sample.pred_instances.bboxes = sample.pred_instances.bboxes[:, [2, 3, 0, 1]]
    assert evaluate([sample])['rec/mIoU'] == 0


def test_boxes_belong_to_the_expression_of_their_label():
    sample = build_sample([1.0, 0.0, 0.75, None])
    order = torch.tensor([2, 0, 1])
    sample.pred_instances = sample.pred_instances[order]
    sample.gt_instances = sample.gt_instances[torch.tensor([3, 1, 0, 2])]
    metric = RECMetric()
    metric.process(None, [sample.to_dict()])
    assert [row['iou'] for row in metric.results[0]] == [1.0, 0.0, 0.75, 0.0]
    assert [row['label'] for row in metric.results[0]] == [0, 1, 2, 3]


def test_label_that_names_no_expression_is_an_error_that_names_the_image():
    sample = build_sample([1.0])
    sample.pred_instances.labels = torch.tensor([1])
    with pytest.raises(ValueError, match='a.jpg: a box has the label 1, and labels'):
        evaluate([sample])


def test_of_several_predictions_the_highest_score_counts():
    sample = build_sample([0.25, 0.75, 0.5])
    sample.gt_instances = sample.gt_instances[:1]
    sample.set_metainfo(dict(text=('dog',), sent_id=(7,)))
    sample.pred_instances.labels = torch.tensor([0, 0, 0])
    with pytest.raises(ValueError, match=r'a.jpg \(sent_id 7\): 3 predicted boxes for'):
        evaluate([sample])
    sample.pred_instances.scores = torch.tensor([0.1, 0.8, 0.3])
    assert evaluate([sample])['rec/mIoU'] == pytest.approx(75)


def test_any_of_several_true_boxes_may_be_found(tmp_path):
    sample = build_sample([0.75])
    far = torch.tensor([[300.0, 300, 400, 400]])
    sample.gt_instances = InstanceData(
        bboxes=torch.cat([far, sample.gt_instances.bboxes, far]),
        labels=torch.tensor([0, 0, 0]),
    )
    figures = evaluate([sample], outfile_prefix=str(tmp_path / 'results'))
    assert figures['rec/mIoU'] == pytest.approx(75)
    assert figures['rec/expressions'] == 1
    (row,) = json.loads((tmp_path / 'results.json').read_text())
    assert row['gt_bbox'] == [10, 20, 110, 120]


def test_expression_without_ground_truth_is_written_and_not_counted(tmp_path):
    samples = [build_sample([0.5, 1.0]), build_sample([1.0])]
    samples[0].gt_instances = samples[0].gt_instances[:1]
    figures = evaluate(samples, outfile_prefix=str(tmp_path / 'results'))
    assert figures['rec/expressions'] == 2
    assert figures['rec/mIoU'] == pytest.approx(75)
    rows = json.loads((tmp_path / 'results.json').read_text())
    assert len(rows) == 3
    assert rows[1]['gt_bbox'] is rows[1]['iou'] is None
    assert rows[1]['pred_bbox'] == [10, 20, 110, 120]


def test_nothing_to_measure_is_an_error_unless_predictions_are_written(tmp_path):
    sample = build_sample([1.0])
    sample.gt_instances = sample.gt_instances[:0]
    with pytest.raises(ValueError, match='nothing to measure; .*--out FILE.json'):
        evaluate([sample])
    assert evaluate([sample], outfile_prefix=str(tmp_path / 'results')) == {}
    (row,) = json.loads((tmp_path / 'results.json').read_text())
    assert row['pred_bbox'] == [10, 20, 110, 120]


def test_half_precision_and_box_types_are_read():
    sample = build_sample([0.75])
    sample.pred_instances.bboxes = sample.pred_instances.bboxes.bfloat16()
    sample.gt_instances.bboxes = HorizontalBoxes(sample.gt_instances.bboxes)
    assert evaluate([sample])['rec/mIoU'] == pytest.approx(75, abs=1)


def test_truncated_expressions_are_counted():
    samples = [
        build_sample([1.0], truncated=(True,)),
        build_sample([1.0, 1.0, 1.0], truncated=(False, True, True)),
        build_sample([1.0]),
    ]
    assert evaluate(samples)['rec/truncated'] == 3


def test_kinds_have_their_own_precision():
    samples = [
        build_sample([1.0, 0.0], kind=('relation', 'order')),
        build_sample([0.0], kind=('relation',)),
    ]
    figures = evaluate(samples)
    assert figures['rec/relation/P@0.5'] == 50
    assert figures['rec/relation/expressions'] == 2
    assert figures['rec/order/P@0.5'] == 0


def test_several_splits_are_reported_beside_the_whole():
    samples = [
        build_sample([1.0], split='val', kind=('order',)),
        build_sample([1.0], split='val', kind=('order',)),
        build_sample([0.0], split='testA', kind=('order',)),
        build_sample([0.6], split='testA', kind=('place',)),
    ]
    figures = evaluate(samples)
    assert figures['rec/P@0.5'] == 75
    assert figures['rec/val/P@0.5'] == 100
    assert figures['rec/testA/P@0.5'] == 50
    assert figures['rec/testA/mIoU'] == pytest.approx(30)
    assert figures['rec/testA/expressions'] == 2
    assert figures['rec/testA/place/P@0.5'] == 100
    assert figures['rec/val/order/expressions'] == 2


def test_several_data_sets_are_reported_apart():
    samples = [
        build_sample([1.0, 0.0], dataset='one', split='val'),
        build_sample([1.0], dataset='two', split='val', kind=('order',)),
        build_sample([0.6], dataset='two', split='test'),
    ]
    figures = evaluate(samples)
    assert figures['rec/P@0.5'] == 75
    assert figures['rec/one/val/P@0.5'] == 50
    assert figures['rec/two/val/P@0.5'] == 100
    assert figures['rec/two/val/order/P@0.5'] == 100
    assert figures['rec/two/test/P@0.9'] == 0
    assert figures['rec/two/test/expressions'] == 1
    assert not any(key.startswith('rec/val') for key in figures)


def test_splits_of_one_data_set_need_no_name():
    samples = [
        build_sample([1.0], dataset='one', split='val'),
        build_sample([0.0], dataset='one', split='test'),
    ]
    figures = evaluate(samples)
    assert figures['rec/val/P@0.5'] == 100
    assert figures['rec/test/P@0.5'] == 0
    assert not any(key.startswith('rec/one') for key in figures)


def test_data_sets_without_splits_are_told_apart():
    figures = evaluate(
        [build_sample([1.0], dataset='one'), build_sample([0.0], dataset='two')]
    )
    assert figures['rec/one/P@0.5'] == 100
    assert figures['rec/two/P@0.5'] == 0


def test_single_split_is_not_repeated():
    figures = evaluate([build_sample([1.0], split='val')])
    assert not any(key.startswith('rec/val') for key in figures)


def test_results_of_each_expression_are_written(tmp_path):
    samples = [
        build_sample([0.5, 1.0], split='val', kind=('order', 'place')),
        build_sample([None], truncated=(True,)),
    ]
    evaluate(samples, outfile_prefix=str(tmp_path / 'deep' / 'results'))
    assert [path.name for path in (tmp_path / 'deep').iterdir()] == ['results.json']
    rows = json.loads((tmp_path / 'deep' / 'results.json').read_text())
    assert rows[0] == dict(
        label=0,
        sent_id=0,
        img_path='a.jpg',
        dataset=None,
        split='val',
        kind='order',
        text='dog 0',
        truncated=False,
        pred_bbox=[10, 20, 60, 120],
        gt_bbox=[10, 20, 110, 120],
        iou=0.5,
    )
    assert rows[1]['text'] == 'dog 1'
    assert rows[2]['pred_bbox'] is None
    assert rows[2]['iou'] == 0
    assert rows[2]['truncated'] is True


def test_metric_is_registered():
    assert METRICS.get('RECMetric') is RECMetric


def test_ground_truth_in_canvas_pixels_is_refused():
    with pytest.raises(ValueError, match='a.jpg: .* canvas, .* load it last'):
        evaluate([build_sample([1.0], box_frame='canvas')])
    assert evaluate([build_sample([1.0], box_frame='image')])['rec/P@0.5'] == 100
