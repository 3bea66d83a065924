import pytest
import torch

from m2ist_mm.feature_cache import FeatureLayout
from m2ist_mm.structures import TowerFeatures


@pytest.fixture
def features():
    """Two images of 2 x 3 tokens, with taps of other widths and a coarser map."""
    return TowerFeatures(
        tokens=torch.randn(2, 6, 4),
        mask=torch.tensor([[False] * 6, [False] * 3 + [True] * 3]),
        grid=(2, 3),
        taps=dict(
            ffn=[torch.randn(2, 6, 5), torch.randn(2, 7, 1, 2)],
            attention=[torch.randn(2, 6, 1)],
        ),
    )


def values(features):
    return [
        *(part for part in (features.tokens, features.inputs) if part is not None),
        *(tap for kind in features.taps.values() for tap in kind),
    ]


def test_what_is_packed_comes_back(features):
    layout = FeatureLayout.of(features)
    packed = layout.pack(features, [6, 6], torch.float32)
    # the order may be another one
    back = layout.unpack(packed[::-1], 6)
    assert list(back.taps) == ['ffn', 'attention']
    assert back.inputs is None
    assert back.grid == (2, 3)
    for value, expected in zip(values(back), values(features), strict=True):
        assert torch.equal(value, expected.flip(0))
        assert value.is_contiguous()
    assert torch.equal(back.mask, features.mask.flip(0))


def test_padding_that_was_cut_off_is_zero_again(features):
    features.inputs = torch.randn(2, 6, 4)
    del features.taps['ffn'][1]
    features.grid = None
    layout = FeatureLayout.of(features)
    back = layout.unpack(layout.pack(features, [6, 3], torch.float32), 8)
    assert back.mask.tolist() == [[False] * 6 + [True] * 2, [False] * 3 + [True] * 5]
    for value, expected in zip(values(back), values(features), strict=True):
        assert torch.equal(value[0, :6], expected[0])
        assert torch.equal(value[1, :3], expected[1, :3])
        assert not value[0, 6:].any() and not value[1, 3:].any()


def test_half_precision_rounds_and_float32_comes_back(features):
    layout = FeatureLayout.of(features)
    packed = layout.pack(features, [6, 6], torch.float16)
    assert {one.rows.dtype for one in packed} == {torch.float16}
    for value, expected in zip(
        values(layout.unpack(packed, 6)), values(features), strict=True
    ):
        assert torch.equal(value, expected.half().float())


def test_features_that_half_precision_cannot_hold_are_refused(features):
    features.taps['ffn'][1][0, 0, 0, 0] = 70000
    layout = FeatureLayout.of(features)
    with pytest.raises(ValueError, match="70000 is more than .* dtype='float32'"):
        layout.pack(features, [6, 6], torch.float16)
    layout.pack(features, [6, 6], torch.float32)


def test_number_of_values(features):
    layout = FeatureLayout.of(features)
    packed = layout.pack(features, [6, 3], torch.float32)
    count = sum(one.rows.numel() + one.maps.numel() for one in packed)
    assert layout.num_values(num_inputs=2, num_tokens=9) == count


def test_layout_is_written_and_read(features):
    layout = FeatureLayout.of(features)
    assert FeatureLayout.from_json(layout.to_json()) == layout
    features.grid = None
    text = FeatureLayout.of(features)
    assert FeatureLayout.from_json(text.to_json()) == text != layout


def test_what_is_packed_does_not_keep_the_batch_alive(features):
    layout = FeatureLayout.of(features)
    for one in layout.pack(features, [6, 3], torch.float32):
        for part in one:
            assert part.untyped_storage().nbytes() == part.nbytes
