"""Metrics of referring expression comprehension, and how certain they are."""

from .bootstrap import Interval, bootstrap_interval
from .metrics import RECMetric

__all__ = ['Interval', 'RECMetric', 'bootstrap_interval']
