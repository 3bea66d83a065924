"""IoU of boxes in numpy, in double precision as the metric computes it."""

import numpy as np
import torch
from mmdet.structures.bbox import bbox_overlaps
from numpy.typing import ArrayLike


def pairwise_iou(boxes: ArrayLike, others: ArrayLike) -> np.ndarray:
    """IoU of each of n boxes with each of m others, all xyxy: (n, m) in 0 to 1."""
    return bbox_overlaps(_tensor(boxes), _tensor(others)).numpy()


def aligned_iou(boxes: ArrayLike, others: ArrayLike) -> np.ndarray:
    """IoU of each of n boxes with its own one of n others, all xyxy: (n,)."""
    return bbox_overlaps(_tensor(boxes), _tensor(others), is_aligned=True).numpy()


def _tensor(boxes: ArrayLike) -> torch.Tensor:
    return torch.from_numpy(np.asarray(boxes, np.float64).reshape(-1, 4))
