"""Metrics of referring expression comprehension, and how certain they are."""

from .bootstrap import Interval, bootstrap_interval
from .metrics import RECMetric
from .overlaps import aligned_iou, pairwise_iou

__all__ = [
    'Interval',
    'RECMetric',
    'aligned_iou',
    'bootstrap_interval',
    'pairwise_iou',
]
