"""Metrics of referring expression comprehension."""

from .metrics import RECMetric

__all__ = ['RECMetric']
