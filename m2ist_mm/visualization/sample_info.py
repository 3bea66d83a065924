"""What names a drawn sample, and how well it was predicted."""

import re
from pathlib import Path

from mmdet.structures import DetDataSample
from mmdet.structures.bbox import bbox_overlaps, get_box_tensor
from torch import Tensor

from ..structures import Expressions

_MAX_IDS = 3  # in a name


def sample_name(sample: DetDataSample) -> str:
    """Name a sample: dataset, split, image and ids of the expressions.

    Samples of two datasets, or of one image, have different names, provided that their
    datasets have names and their expressions ids.

    Returns:
        A name for a file, without ending: ``refcoco_val_COCO_train2014_..._17``.
    """
    parts = [sample.get('dataset'), sample.get('split')]
    if sample.get('img_path') is not None:
        parts.append(Path(sample.img_path).stem)
    ids = [one for one in Expressions.of(sample).ids if one is not None]
    if len(ids) > _MAX_IDS:
        ids = [ids[0], f'and-{len(ids) - 1}-more']
    parts.append('-'.join(map(str, ids)))
    return '_'.join(re.sub(r'[^\w.+-]', '-', str(part)) for part in parts if part)


def best_overlaps(sample: DetDataSample) -> list[float | None]:
    """Highest IoU of each expression's predicted boxes with its ground truth.

    Args:
        sample: With ``gt_instances`` and ``pred_instances``, boxes of both in the same
            pixels.

    Returns:
        One value per expression, 0 where its prediction is missing or not finite;
        ``None`` where it has no ground truth.
    """
    boxes = []
    for instances in (sample.gt_instances, sample.pred_instances):
        rows = Expressions.of(sample).rows(instances.labels.cpu())
        tensor = get_box_tensor(instances.bboxes).detach().float().cpu()
        boxes.append([tensor[found] for found in rows])
    return [_best(*pair) for pair in zip(*boxes, strict=True)]


def _best(truth: Tensor, predicted: Tensor) -> float | None:
    if not len(truth):
        return None
    predicted = predicted[predicted.isfinite().all(dim=1)]
    return float(bbox_overlaps(truth, predicted).max()) if len(predicted) else 0.0
