"""Metrics of referring expression comprehension, and how certain they are."""

from .bootstrap import Interval, bootstrap_interval
from .constant_box import best_constant_box
from .metrics import RECMetric
from .overlaps import aligned_iou, pairwise_iou

__all__ = [
    'Interval',
    'RECMetric',
    'aligned_iou',
    'best_constant_box',
    'bootstrap_interval',
    'pairwise_iou',
]
