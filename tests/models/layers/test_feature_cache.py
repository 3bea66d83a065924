import pytest
import torch
from mmdet.registry import MODELS

from m2ist_mm.models.layers import FeatureCache
from m2ist_mm.models.towers import TowerFeatures, record_taps

TAPS = dict(
    attention='model.encoder.layer.{i}.attention.output',
    ffn='model.encoder.layer.{i}.output.dense',
)


class Encoder:
    """Features that show what they were made of; remembers what it was asked."""

    def __init__(self):
        self.asked = []

    def __call__(self, ids, mask):
        assert mask.shape == ids.shape
        self.asked += [
            tuple(row[keep].tolist()) for row, keep in zip(ids, mask > 0, strict=True)
        ]
        base = ids[..., None] * torch.tensor([1.0, 10.0])
        taps = dict(a=[base + 2, base + 3], b=[base + 4])
        return TowerFeatures(base, mask == 0, base + 1, taps)


def batch(*rows):
    length = max(map(len, rows))
    ids = torch.tensor([[*row, *(length - len(row)) * [0]] for row in rows])
    mask = torch.tensor([[*len(row) * [1], *(length - len(row)) * [0]] for row in rows])
    return ids, mask


@pytest.fixture
def bert(make_model, language_config):
    tower = make_model(language_config).eval().requires_grad_(False)

    def encode(ids, mask):
        with record_taps(tower, TAPS, [0, 1]) as taps:
            features = tower(ids, mask)
        return features.replace(taps=taps)

    return encode


def values(features):
    return torch.stack(
        [
            features.tokens,
            features.input_tokens,
            *(tap for kind in features.taps.values() for tap in kind),
        ]
    )


def test_features_come_back_in_their_places_and_zero_in_the_padding():
    cache, encode = FeatureCache(9), Encoder()
    ids, mask = batch([5, 6, 7], [8], [5, 6, 7], [9, 4])
    for _ in range(2):
        features = cache.lookup(ids, mask, encode)
        base = ids[..., None] * torch.tensor([1.0, 10.0])
        expected = torch.stack([base + number for number in range(5)])
        assert torch.equal(values(features), expected * mask[..., None])
        assert {kind: len(taps) for kind, taps in features.taps.items()} == dict(
            a=2, b=1
        )
        assert torch.equal(features.mask, mask == 0)


def test_each_new_expression_is_encoded_once():
    cache, encode = FeatureCache(9), Encoder()
    cache.lookup(*batch([5, 6], [7], [5, 6]), encode)
    assert sorted(encode.asked) == [(5, 6), (7,)]
    cache.lookup(*batch([7], [5, 6, 1], [5, 6]), encode)
    assert sorted(encode.asked) == [(5, 6), (5, 6, 1), (7,)]
    cache.lookup(*batch([5, 6, 1], [7]), encode)
    assert len(encode.asked) == 3


def test_the_padding_of_a_batch_does_not_make_an_expression_new():
    cache, encode = FeatureCache(9), Encoder()
    cache.lookup(*batch([5, 6]), encode)
    features = cache.lookup(*batch([5, 6], [1, 2, 3, 4]), encode)
    assert sorted(encode.asked) == [(1, 2, 3, 4), (5, 6)]
    assert features.tokens[0, :, 0].tolist() == [5, 6, 0, 0]


def test_least_recently_used_expression_leaves_first():
    cache, encode = FeatureCache(2), Encoder()
    for row in ([1], [2], [1], [3]):
        cache.lookup(*batch(row), encode)
        assert len(cache) <= 2
    assert encode.asked == [(1,), (2,), (3,)]
    cache.lookup(*batch([1]), encode)
    assert len(encode.asked) == 3
    cache.lookup(*batch([2]), encode)
    assert encode.asked[3:] == [(2,)]


def test_a_batch_may_be_larger_than_the_cache():
    cache, encode = FeatureCache(2), Encoder()
    features = cache.lookup(*batch([1], [2], [3], [4]), encode)
    assert features.tokens[:, 0, 0].tolist() == [1, 2, 3, 4]
    assert len(cache) == 2


def test_what_is_done_to_the_features_does_not_reach_the_store():
    cache, encode = FeatureCache(9), Encoder()
    ids = batch([5, 6], [7, 8])
    cache.lookup(*ids, encode).tokens.zero_()
    assert cache.lookup(*ids, encode).tokens[1, 1].tolist() == [8, 80]


def test_store_keeps_no_more_memory_than_its_features():
    cache = FeatureCache(1)
    cache.lookup(*batch([1], [2], [3], [4]), Encoder())
    (stack,) = cache._store.values()
    assert stack.untyped_storage().nbytes() == 5 * 2 * 4  # 5 features of width 2


def test_cleared_cache_encodes_anew():
    cache, encode = FeatureCache(9), Encoder()
    cache.lookup(*batch([1]), encode)
    cache.clear()
    assert len(cache) == 0
    cache.lookup(*batch([1]), encode)
    assert encode.asked == [(1,), (1,)]


def test_features_of_a_bert_are_those_without_cache(bert, texts):
    cache = FeatureCache(9)
    token = texts[1] == 1
    expected = values(bert(*texts))[:, token]
    for _ in range(2):
        features = values(cache.lookup(*texts, bert))
        torch.testing.assert_close(features[:, token], expected, rtol=0, atol=1e-5)
        assert not features[:, ~token].any()


def test_features_do_not_depend_on_what_came_before(bert, texts):
    ids, mask = texts
    first, second = FeatureCache(9), FeatureCache(9)
    for row, length in ((2, 3), (1, 4), (0, 6)):
        one = slice(row, row + 1)
        first.lookup(ids[one, :length], mask[one, :length], bert)
    torch.testing.assert_close(
        values(first.lookup(ids, mask, bert)),
        values(second.lookup(ids, mask, bert)),
        rtol=0,
        atol=1e-5,
    )


def test_features_do_not_depend_on_what_came_with_them(bert):
    ids = torch.randint(5, 29, (6, 5))
    mask = torch.ones_like(ids)
    together = values(FeatureCache(9).lookup(ids, mask, bert))
    alone = FeatureCache(9)
    for row in (4, 2, 0):
        alone.lookup(ids[row : row + 1], mask[:1], bert)
    torch.testing.assert_close(
        values(alone.lookup(ids, mask, bert)), together, rtol=0, atol=1e-5
    )


def test_features_do_not_depend_on_autocast(bert, texts):
    plain, mixed = FeatureCache(9), FeatureCache(9)
    expected = values(plain.lookup(*texts, bert))
    with torch.autocast('cpu', torch.bfloat16):
        assert bert(*texts).taps['ffn'][0].dtype == torch.bfloat16
        mixed.lookup(*texts, bert)
    assert torch.equal(values(mixed.lookup(*texts, bert)), expected)


def test_backbone_without_cache_has_none(backbone_config):
    assert MODELS.build(backbone_config).language_cache is None
