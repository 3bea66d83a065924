import pytest
from torch import nn

from m2ist_mm.engine import TunedOptimWrapperConstructor

OPTIMISER = dict(type='AdamW', lr=1e-4, weight_decay=1e-4)
SCHEDULE = dict(custom_keys=dict(neck=dict(lr_mult=0.1), backbone=dict(lr_mult=0.1)))


@pytest.fixture
def model():
    model = nn.Module()
    model.backbone = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    model.backbone.requires_grad_(False)
    model.neck = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model.bbox_head = nn.Sequential(nn.Linear(2, 2), nn.LayerNorm(2))
    return model


def groups(model, paramwise_cfg=None):
    constructor = TunedOptimWrapperConstructor(
        dict(optimizer=OPTIMISER), paramwise_cfg=paramwise_cfg
    )
    optimiser = constructor(model).optimizer
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return [
        (group['lr'], group['weight_decay'], [names[id(p)] for p in group['params']])
        for group in optimiser.param_groups
    ]


def names(model, *prefixes):
    return [
        name
        for name, parameter in model.named_parameters()
        if name.startswith(prefixes) and parameter.requires_grad
    ]


def test_learning_rates_of_head_and_adapters_without_frozen_weights(model):
    assert groups(model, SCHEDULE) == [
        (1e-4, 1e-4, names(model, 'bbox_head')),
        (pytest.approx(1e-5), 1e-4, names(model, 'neck')),
    ]


def test_tuned_towers_have_their_learning_rate_but_for_frozen_layers(model):
    model.backbone[0].requires_grad_(True)
    (_, _, head), (rate, _, others) = groups(model, SCHEDULE)
    assert head == names(model, 'bbox_head')
    assert rate == pytest.approx(1e-5)
    assert others == ['backbone.0.weight', 'backbone.0.bias', *names(model, 'neck')]


@pytest.mark.parametrize('paramwise_cfg', [None, {}])
def test_without_options_frozen_weights_are_left_out_too(model, paramwise_cfg):
    assert groups(model, paramwise_cfg) == [
        (1e-4, 1e-4, names(model, 'neck', 'bbox_head'))
    ]


def test_other_options_of_mmengine_work(model):
    result = groups(model, dict(norm_decay_mult=0.0))
    assert [(decay, found) for _, decay, found in result] == [
        (1e-4, names(model, 'neck', 'bbox_head.0')),
        (0.0, names(model, 'bbox_head.1')),
    ]


def test_nothing_to_train_is_an_error(model):
    model.requires_grad_(False)
    with pytest.raises(ValueError, match='nothing to train'):
        groups(model, SCHEDULE)
