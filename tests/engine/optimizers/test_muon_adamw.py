import copy

import pytest
import torch
from mmengine.optim import OptimWrapper
from mmengine.optim.scheduler import ConstantLR
from torch import nn
from torch.optim import AdamW

from m2ist_mm.engine.optimizers import MuonAdamW

pytest.importorskip('torch', '2.9')


@pytest.fixture
def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Embedding(5, 8), nn.Linear(8, 6), nn.Linear(6, 4))


def groups(model):
    return [
        dict(params=list(model[0].parameters()), muon=False, lr=0.03),
        dict(params=[*model[1].parameters(), *model[2].parameters()]),
    ]


def train(model, optimizer, steps, seed=1):
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        indices = torch.randint(5, (16,), generator=generator)
        optimizer.zero_grad()
        (model(indices) - 1).square().mean().backward()
        optimizer.step()


def test_each_parameter_is_updated_by_its_optimiser(model):
    options = dict(weight_decay=0.1, betas=(0.9, 0.98))
    other = copy.deepcopy(model)
    train(model, MuonAdamW(groups(model), lr=0.02, muon_lr_mult=2, **options), 5)
    adamw = AdamW(
        [
            dict(params=other[0].weight, lr=0.03),
            dict(params=[other[1].bias, other[2].bias]),
        ],
        lr=0.02,
        **options,
    )
    muon = torch.optim.Muon(
        [other[1].weight, other[2].weight],
        lr=0.04,
        weight_decay=0.1,
        adjust_lr_fn='match_rms_adamw',
    )

    class Both:
        def zero_grad(self):
            adamw.zero_grad(), muon.zero_grad()

        def step(self):
            adamw.step(), muon.step()

    train(other, Both(), 5)
    for value, expected in zip(model.parameters(), other.parameters(), strict=True):
        assert torch.equal(value, expected)


def test_it_goes_on_where_its_state_was_saved(model):
    whole = copy.deepcopy(model)
    optimizer = MuonAdamW(groups(whole), lr=0.02)
    train(whole, optimizer, 3, seed=1)
    train(whole, optimizer, 3, seed=2)

    first = MuonAdamW(groups(model), lr=0.02)
    train(model, first, 3, seed=1)
    saved = copy.deepcopy(first.state_dict())
    second = MuonAdamW(groups(model), lr=0.5)
    second.load_state_dict(saved)
    train(model, second, 3, seed=2)
    for value, expected in zip(model.parameters(), whole.parameters(), strict=True):
        assert torch.equal(value, expected)


def test_schedulers_reach_both(model):
    optimizer = MuonAdamW(groups(model), lr=0.02)
    before = copy.deepcopy(model.state_dict())
    ConstantLR(OptimWrapper(optimizer), factor=0.0)
    train(model, optimizer, 1)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])


def test_old_torch(model, monkeypatch):
    monkeypatch.delattr(torch.optim, 'Muon')
    with pytest.raises(ImportError, match='MuonAdamW needs torch >= 2.9'):
        MuonAdamW(model.parameters())


def test_one_pass_gives_the_same_but_for_rounding(model):
    other = copy.deepcopy(model)
    train(model, MuonAdamW(groups(model), lr=0.01), 3)
    fused = MuonAdamW(groups(other), lr=0.01, fused=True)
    train(other, fused, 3)
    assert [group.get('fused') for group in fused.param_groups] == [True, True, None]
    for value, expected in zip(other.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(value, expected, rtol=1e-5, atol=1e-6)
