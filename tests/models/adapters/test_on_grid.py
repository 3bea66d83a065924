import pytest
import torch

from m2ist_mm.models.adapters import InteractionAdapter, SideAdapter, on_grid


def double(tokens):
    return 2 * tokens


def test_tokens_are_computed_as_they_are():
    tokens = torch.randn(2, 12, 3)
    assert torch.equal(on_grid(double, tokens, None), 2 * tokens)


def test_coarser_map_is_computed_first_and_resampled_then():
    # rows 0 and 1, columns 0 and 10: a ramp, which bilinear resampling keeps inside
    ramp = torch.tensor([[0.0, 10.0], [1.0, 11.0]])[None, None]
    seen = []

    def compute(tokens):
        seen.append(tokens.flatten().tolist())
        return 2 * tokens

    output = on_grid(compute, ramp, (4, 6))
    assert seen == [[0, 10, 1, 11]]  # row by row
    assert output.shape == (1, 24, 1)
    output = output.view(4, 6)
    rows = torch.tensor([0, 0.25, 0.75, 1])
    columns = torch.tensor([0, 0, 1 / 3, 2 / 3, 1, 1]) * 10
    torch.testing.assert_close(output, 2 * (rows[:, None] + columns))


@pytest.mark.parametrize('kind', ['side', 'interaction'])
def test_adapter_maps_a_tap_of_own_width_and_grid(kind):
    if kind == 'side':
        adapter = SideAdapter(6, 4, 0.5, tap_channels=5)
        norm, down, run = adapter.norm, adapter.down, adapter

        def up(hidden):
            return 0.5 * adapter.up(hidden)
    else:
        adapter = InteractionAdapter(
            6, 9, 4, True, vision_tap_channels=5, language_tap_channels=7
        )
        norm, down, run = torch.nn.Identity(), adapter.vision_down, adapter.vision
        up = adapter.shared_up
        assert adapter.language(torch.randn(2, 3, 7)).shape == (2, 3, 9)
    tokens = torch.randn(2, 12, 5)
    expected = up(down(norm(tokens)).relu())
    torch.testing.assert_close(run(tokens, (4, 3)), expected)
    # a coarser map of one value is that value everywhere
    value = torch.randn(2, 5)
    coarse = value[:, :, None, None].expand(2, 5, 2, 1)
    expected = up(down(norm(value)).relu())[:, None].expand(2, 12, 6)
    torch.testing.assert_close(run(coarse, (4, 3)), expected)
