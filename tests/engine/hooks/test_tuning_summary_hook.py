from unittest.mock import Mock

import pytest
from mmengine.model import BaseModule
from torch import nn

from m2ist_mm.engine import TuningSummaryHook
from m2ist_mm.models import SideTuningBackbone


@pytest.fixture
def model(monkeypatch):
    """Towers of 3,000 weights, side adapters of 60, head of 11."""
    backbone = SideTuningBackbone.__new__(SideTuningBackbone)
    BaseModule.__init__(backbone)
    backbone.freeze = True
    backbone.vision = nn.Identity()
    backbone.language = nn.Linear(3000, 1, bias=False).requires_grad_(False)
    backbone._weight_names = dict(vision={}, language=dict(weight='weight'))
    model = nn.Module()
    model.backbone = backbone
    model.neck = nn.Linear(60, 1, bias=False)
    model.bbox_head = nn.Linear(10, 1)
    return model


def log_of(model):
    runner = Mock(model=model)
    TuningSummaryHook().before_train(runner)
    return [call.args[0] for call in runner.logger.info.call_args_list]


def test_one_line_says_what_is_tuned(model):
    assert log_of(model) == [
        'towers 3,000 (frozen), side adapters 60 (2.00%), head 11, trained 71 of 3,071'
    ]


def test_full_fine_tuning_is_called_so(model):
    model.backbone.freeze = False
    model.backbone.requires_grad_(True)
    assert 'towers 3,000 (tuned)' in log_of(model)[0]
    assert log_of(model)[0].endswith('trained 3,071 of 3,071')


def test_models_without_towers_get_no_line():
    assert log_of(nn.Linear(1, 1)) == []
