import pytest
import torch

from m2ist_mm.models.layers.cpu_kernels.kept_mask import (
    draw_kept,
    dropped_rate,
    pack_bits,
    unpack_bits,
)


@pytest.mark.parametrize('p', [0.0, 0.1, 0.5, 1 / 3, 0.9999999])
def test_rate_is_p_but_for_the_sixteenth_bit(p):
    assert 0 < dropped_rate(p) < 1
    assert abs(dropped_rate(p) - p) <= 2**-16


@pytest.mark.parametrize('p', [0.02, 0.1, 0.5, 0.9])
def test_each_element_is_dropped_with_probability_p(p):
    torch.manual_seed(0)
    count = 400_000
    kept = draw_kept((4, count // 4), p)
    assert kept.shape == (4, count // 4)
    assert set(kept.unique().tolist()) == {0, 1}
    # four standard deviations, for all and for each place in a random word of 64 bits
    for part in (kept, *kept.view(-1, 4).T):
        deviation = (p * (1 - p) / part.numel()) ** 0.5
        assert abs(1 - part.double().mean() - p) < 4 * deviation
    # neighbours are independent: variance of the mean of products of neighbours
    neighbours, q = kept.view(-1)[:-1] & kept.view(-1)[1:], 1 - p
    variance = (q**2 - q**4 + 2 * (q**3 - q**4)) / count
    assert abs(neighbours.double().mean() - q**2) < 4 * variance**0.5


def test_seed_decides_and_the_generator_moves_on():
    torch.manual_seed(3)
    first, second = draw_kept((999,), 0.5), draw_kept((999,), 0.5)
    torch.manual_seed(3)
    assert torch.equal(draw_kept((999,), 0.5), first)
    assert not torch.equal(first, second)


@pytest.mark.parametrize('shape', [(1,), (8,), (3, 7), (2, 5, 11)])
def test_bits_come_back_and_are_an_eighth(shape):
    kept = draw_kept(shape, 0.5)
    bits = pack_bits(kept)
    assert bits.shape == (*shape[:-1], -(-shape[-1] // 8))
    assert torch.equal(unpack_bits(bits, shape[-1]), kept)
