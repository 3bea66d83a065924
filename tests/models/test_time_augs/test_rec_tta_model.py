import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData

from m2ist_mm.models import RECTTAModel


class Views(torch.nn.Module):
    """A grounder that answers each view with the boxes that its sample brings."""

    def test_step(self, data):
        return data['data_samples']


def view(text, bboxes, **metainfo):
    bboxes = torch.tensor(bboxes)
    labels = torch.zeros(len(bboxes), dtype=torch.long)
    sample = DetDataSample(pred_instances=InstanceData(bboxes=bboxes, labels=labels))
    sample.set_metainfo(dict(text=text, ori_shape=(50, 100), **metainfo))
    return sample


@pytest.mark.parametrize('mirrored_first', [False, True])
def test_boxes_are_the_mean_and_words_those_of_the_unmirrored_view(mirrored_first):
    texts = ('left one', 'dog')
    plain = view(texts, [[10.0, 5, 30, 25], [60.0, 0, 80, 50]], flip=False)
    swapped = ('right one', 'dog')
    mirrored = view(swapped, [[12.0, 7, 34, 25], [60.0, 0, 84, 40]], flip=True)
    views = [mirrored, plain] if mirrored_first else [plain, mirrored]
    data = dict(inputs=[[None], [None]], data_samples=[[sample] for sample in views])
    (merged,) = RECTTAModel(Views()).test_step(data)
    expected = torch.tensor([[11.0, 6, 32, 25], [60.0, 0, 82, 45]])
    torch.testing.assert_close(merged.pred_instances.bboxes, expected)
    assert merged.text == texts
    assert len(merged.pred_instances.labels) == 2
    # the views themselves are left as they were
    assert plain.pred_instances.bboxes[0, 0] == 10


def test_views_that_cannot_be_mirrored_need_not_say_so():
    views = [view('dog', [[0.0, 0, 10, 10]]), view('dog', [[4.0, 0, 20, 10]])]
    (merged,) = RECTTAModel(Views()).merge_preds([views])
    torch.testing.assert_close(
        merged.pred_instances.bboxes, torch.tensor([[2.0, 0, 15, 10]])
    )
