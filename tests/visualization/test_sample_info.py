import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData

from m2ist_mm.visualization import best_overlaps, sample_name


def test_name_says_what_is_known():
    metainfo = dict(text=('a', 'b'), img_path='images/the dog.png', sent_id=(3, 4))
    assert sample_name(DetDataSample(metainfo=metainfo)) == 'the-dog_3-4'
    metainfo.update(dataset='refcoco+', split='val')
    name = sample_name(DetDataSample(metainfo=metainfo))
    assert name == 'refcoco+_val_the-dog_3-4'
    assert sample_name(DetDataSample(metainfo=dict(text='a', img_path='x.jpg'))) == 'x'


def test_overlap_is_the_best_of_an_expression():
    def instances(boxes, labels):
        boxes = torch.tensor(boxes, dtype=torch.float32)
        return InstanceData(bboxes=boxes, labels=torch.tensor(labels))

    sample = DetDataSample(metainfo=dict(text=tuple('abcd')))
    box, half, far = [0, 0, 4, 4], [0, 0, 4, 2], [8, 8, 9, 9]
    sample.gt_instances = instances([far, box, box, box], [0, 0, 1, 3])
    sample.pred_instances = instances([half, far, [0, 0, 4, float('nan')]], [0, 2, 3])
    assert best_overlaps(sample) == [0.5, 0.0, None, 0.0]
