import pytest
import torch
import torch.nn.functional as F
from torch import nn

from m2ist_mm.models.layers.cpu_kernels.bit_dropout import BitDropout
from m2ist_mm.models.layers.cpu_kernels.relu_dropout import ReLUDropout


def run(module, inputs):
    inputs = inputs.clone().requires_grad_()
    torch.manual_seed(0)
    output = module(inputs)
    (output * torch.arange(output.numel()).view_as(output)).sum().backward()
    return output, inputs.grad


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
@pytest.mark.parametrize('p', [0.1, 0.6])
def test_same_as_the_two_modules(p, dtype):
    inputs = torch.randn(16, 32, generator=torch.Generator().manual_seed(1)).to(dtype)
    expected = run(nn.Sequential(nn.ReLU(), BitDropout(p)), inputs)
    output, grad = run(ReLUDropout(p), inputs)
    assert torch.equal(output, expected[0])
    # zero inputs apart, which have no gradient
    torch.testing.assert_close(grad, expected[1], rtol=1e-6, atol=0)


def test_parts_make_no_difference(monkeypatch):
    inputs = torch.randn(5, 7, 16)
    expected = run(ReLUDropout(0.4), inputs)
    monkeypatch.setattr('m2ist_mm.models.layers.cpu_kernels.relu_dropout._PART', 64)
    for value, other in zip(run(ReLUDropout(0.4), inputs), expected, strict=True):
        assert torch.equal(value, other)


def test_rate_zero_is_the_relu():
    inputs = torch.randn(4, 8)
    assert torch.equal(ReLUDropout(0.0)(inputs), F.relu(inputs))


def test_evaluation_mode_drops_nothing():
    inputs = torch.randn(4, 8)
    assert torch.equal(ReLUDropout(0.5).eval()(inputs), F.relu(inputs))


def test_only_the_output_is_kept():
    kept = []

    def keep(tensor):
        kept.append(tensor.data_ptr())
        return tensor

    inputs = torch.randn(4, 8, requires_grad=True)
    linear = nn.Linear(8, 3)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        output = ReLUDropout(0.5)(inputs)
        linear(output)
    assert set(kept) - {p.data_ptr() for p in linear.parameters()} == {
        output.data_ptr()
    }
