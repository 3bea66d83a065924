import torch
from mmengine.registry import OPTIM_WRAPPERS
from torch import nn

from m2ist_mm.engine import AutocastOptimWrapper


def build(model, **kwargs):
    optimiser = torch.optim.SGD(model.parameters(), lr=1.0)
    return OPTIM_WRAPPERS.build(
        dict(type='AutocastOptimWrapper', optimizer=optimiser, **kwargs)
    )


def test_forward_pass_is_in_bfloat16_and_weights_stay_in_float32():
    model = nn.Linear(3, 1, bias=False)
    before = model.weight.detach().clone()
    wrapper = build(model)
    assert isinstance(wrapper, AutocastOptimWrapper)
    with wrapper.optim_context(model):
        output = model(torch.ones(2, 3))
    assert output.dtype == torch.bfloat16
    wrapper.update_params(output.float().mean())
    assert model.weight.dtype == torch.float32
    torch.testing.assert_close(model.weight, before - 1)
    assert model(torch.ones(2, 3)).dtype == torch.float32


def test_gradients_accumulate_as_in_mmengine():
    model = nn.Linear(3, 1, bias=False)
    before = model.weight.detach().clone()
    wrapper = build(model, accumulative_counts=2)
    wrapper.initialize_count_status(model, 0, 4)
    for done in (0, 1):
        with wrapper.optim_context(model):
            output = model(torch.ones(2, 3))
        wrapper.update_params(output.float().mean())
        torch.testing.assert_close(model.weight, before - done)
