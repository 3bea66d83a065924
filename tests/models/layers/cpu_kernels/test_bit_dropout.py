import pytest
import torch

from m2ist_mm.models.layers.cpu_kernels.bit_dropout import BitDropout
from m2ist_mm.models.layers.cpu_kernels.kept_mask import draw_kept, dropped_rate


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
def test_kept_elements_are_scaled_and_pass_the_gradient(dtype):
    inputs = torch.randn(16, 33).to(dtype).requires_grad_()
    torch.manual_seed(0)
    output = BitDropout(0.3)(inputs)
    torch.manual_seed(0)
    factor = draw_kept(inputs.shape, 0.3).to(dtype) / (1 - dropped_rate(0.3))
    rtol = 0 if dtype == torch.float32 else 2**-7
    torch.testing.assert_close(output, inputs * factor, rtol=max(rtol, 1e-6), atol=0)
    weights = torch.randn(16, 33).to(dtype)
    (output * weights).sum().backward()
    torch.testing.assert_close(
        inputs.grad, weights * factor, rtol=max(rtol, 1e-6), atol=0
    )


def test_mean_is_kept():
    torch.manual_seed(0)
    assert abs(BitDropout(0.4)(torch.ones(200_000)).mean() - 1) < 0.01


def test_a_bit_an_element_is_kept_for_backward():
    kept = []
    inputs = torch.randn(64, 32, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(
        lambda tensor: kept.append(tensor.nbytes) or tensor, lambda tensor: tensor
    ):
        BitDropout(0.5)(inputs)
    assert kept == [64 * 32 // 8]


@pytest.mark.parametrize('module', [BitDropout(0.5).eval(), BitDropout(0.0)])
def test_nothing_is_dropped_in_evaluation_mode_or_at_rate_zero(module):
    inputs = torch.randn(4, 8)
    assert torch.equal(module(inputs), inputs)
