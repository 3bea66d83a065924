import pytest
from mmdet.registry import DATASETS, METRICS

from m2ist_mm.datasets import ReferDataset
from m2ist_mm.evaluation import RECMetric
from m2ist_mm.registered_type import registered_type


@pytest.mark.parametrize('kind', ['RECMetric', 'mmdet.RECMetric', RECMetric])
def test_name_scope_and_class_are_the_same(kind):
    assert registered_type(dict(type=kind), METRICS) is RECMetric


def test_names_of_other_registries_and_none_are_no_class():
    assert registered_type(dict(type='ReferDataset'), METRICS) is None
    assert registered_type(dict(type='ReferDataset'), DATASETS) is ReferDataset
    assert registered_type({}, METRICS) is None
