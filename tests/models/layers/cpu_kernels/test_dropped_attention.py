import sys

import pytest
import torch

from m2ist_mm.models.layers.cpu_kernels import dropped_attention
from m2ist_mm.models.layers.cpu_kernels.kept_mask import draw_kept, dropped_rate

P = 0.3
module = sys.modules[dropped_attention.__module__]


@pytest.fixture
def inputs():
    """Queries (3, 2, 5, 4), keys and values (3, 2, 7, 4), and what is visible."""
    generator = torch.Generator().manual_seed(0)
    tensors = [
        torch.randn(3, count, 2, 4, dtype=torch.float64, generator=generator)
        .transpose(1, 2)
        .requires_grad_()
        for count in (5, 7, 7)
    ]
    visible = torch.ones(3, 1, 1, 7, dtype=torch.bool)
    visible[0, ..., 4:] = visible[2, ..., 0] = False
    return *tensors, visible


def by_formula(query, key, value, visible):
    scores = query @ key.mT / query.shape[-1] ** 0.5
    weights = scores.masked_fill(~visible, -torch.inf).softmax(-1)
    torch.manual_seed(1)
    kept = draw_kept(weights.shape, P)
    return weights * kept / (1 - dropped_rate(P)) @ value


def dropped(*inputs):
    torch.manual_seed(1)
    return dropped_attention(*inputs, P)


def test_output_and_gradients_are_those_of_the_formula(inputs):
    results = []
    for attention in (by_formula, dropped):
        output = attention(*inputs)
        weights = torch.arange(output.numel()).view_as(output).double().sin()
        results.append(
            [output, *torch.autograd.grad((output * weights).sum(), inputs[:3])]
        )
    for expected, value in zip(*results, strict=True):
        torch.testing.assert_close(value, expected, rtol=0, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize('chunk', [1, 2 * 2 * 5 * 7, 2**21])
def test_gradients_are_numerically_right_whatever_the_parts(inputs, monkeypatch, chunk):
    monkeypatch.setattr(module, '_CHUNK', chunk)
    *tensors, visible = inputs
    assert torch.autograd.gradcheck(
        lambda *tensors: dropped(*tensors, visible), tensors
    )


def test_only_bits_of_the_maps_are_kept(inputs):
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(
        lambda tensor: kept.append(tensor) or tensor, lambda tensor: tensor
    ):
        output = dropped(*inputs)
    bits = [tensor for tensor in kept if tensor.dtype == torch.uint8]
    assert sum(part.nbytes for part in bits) == 3 * 2 * 5  # a byte for 7 keys
    others = {t.untyped_storage().data_ptr() for t in kept if t.dtype != torch.uint8}
    own = {t.untyped_storage().data_ptr() for t in (*inputs[:3], output)}
    assert len(others - own) == 1  # the bias of padding, (3, 1, 1, 7)


def test_what_the_projection_behind_reads_is_no_copy(inputs):
    output = dropped(*inputs)
    assert output.transpose(1, 2).is_contiguous()
