"""Metrics of referring expression comprehension."""

from .rec_metric import RECMetric

__all__ = ['RECMetric']
