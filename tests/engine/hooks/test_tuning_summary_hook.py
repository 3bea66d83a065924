from unittest.mock import Mock

import pytest
from torch import nn

from m2ist_mm.engine import TuningSummaryHook
from m2ist_mm.models.towers import FrozenPart


class Part(FrozenPart):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3000, 1, bias=False)


@pytest.fixture
def model():
    """A frozen part of 3,000 weights, side adapters of 60, head of 11."""
    model = nn.Module()
    model.backbone = Part()
    model.neck = nn.Linear(60, 1, bias=False)
    model.bbox_head = nn.Linear(10, 1)
    return model


def log_of(model):
    runner = Mock(model=model)
    TuningSummaryHook().before_train(runner)
    return [call.args[0] for call in runner.logger.info.call_args_list]


def test_one_line_says_what_is_tuned(model):
    model.backbone.freeze()
    assert log_of(model) == [
        'towers 3,000 (frozen), side adapters 60 (2.00%), head 11, trained 71 of 3,071'
    ]


def test_full_fine_tuning_is_called_so(model):
    assert 'towers 3,000 (tuned)' in log_of(model)[0]
    assert log_of(model)[0].endswith('trained 3,071 of 3,071')


def test_models_without_towers_get_no_line():
    assert log_of(nn.Linear(1, 1)) == []
