import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest
import torch
from mmdet.registry import MODELS

from m2ist_mm.feature_cache import FeatureCache, feature_key
from m2ist_mm.models.backbones.side_tuning_backbone import text_keys
from m2ist_mm.models.towers import record_taps
from m2ist_mm.structures import TowerFeatures

CPU = torch.device('cpu')
LAYOUT = dict(a=2, b=1)


class Encoder:
    """Features that show what they were made of; remembers what it was asked."""

    def __init__(self, rows):
        self.rows = rows
        self.asked = []
        self.keys = [feature_key(bytes(row)) for row in rows]
        self.length = max(map(len, rows))

    def __call__(self, positions):
        rows = [self.rows[position] for position in positions]
        self.asked += rows
        longest = max(map(len, rows))
        ids = torch.tensor([[*row, *(longest - len(row)) * [0]] for row in rows])
        base = ids[..., None] * torch.tensor([1.0, 10.0])
        taps = dict(a=[base + 2, base + 3], b=[base + 4])
        return TowerFeatures(base, ids == 0, base + 1, taps)


def make_cache(**options):
    options = dict(channels=2, taps=LAYOUT, trim_padding=True) | options
    return FeatureCache(**options)


def look_up(cache, *rows):
    encoder = Encoder(rows)
    features = cache.lookup(encoder.keys, CPU, encoder, encoder.length)
    return features, encoder.asked


def values(features):
    return torch.stack(
        [
            features.tokens,
            features.input_tokens,
            *(tap for kind in features.taps.values() for tap in kind),
        ]
    )


def test_features_come_back_in_their_places_and_zero_in_the_padding():
    features, _ = look_up(make_cache(max_entries=9), (5, 6, 7), (8,))
    assert features.tokens[..., 0].tolist() == [[5, 6, 7], [8, 0, 0]]
    assert features.tokens[..., 1].tolist() == [[50, 60, 70], [80, 0, 0]]
    assert features.mask.tolist() == [[False] * 3, [False, True, True]]
    assert features.input_tokens[..., 0].tolist() == [[6, 7, 8], [9, 0, 0]]
    assert features.taps['a'][0][..., 0].tolist() == [[7, 8, 9], [10, 0, 0]]
    assert features.taps['a'][1][..., 0].tolist() == [[8, 9, 10], [11, 0, 0]]
    assert features.taps['b'][0][..., 0].tolist() == [[9, 10, 11], [12, 0, 0]]


def test_padding_is_kept_where_inputs_are_of_one_length():
    cache = make_cache(max_entries=9, trim_padding=False)
    encoder = Encoder([(5, 6, 7), (8,)])
    for _ in range(2):
        features = cache.lookup(encoder.keys, CPU, encoder)
        assert torch.equal(values(features), values(encoder([0, 1])))
        assert torch.equal(features.mask, encoder([0, 1]).mask)


def test_each_new_input_is_encoded_once():
    cache = make_cache(max_entries=9)
    assert look_up(cache, (5, 6), (8,), (5, 6))[1] == [(5, 6), (8,)]
    assert look_up(cache, (8,), (9, 9, 9), (5, 6))[1] == [(9, 9, 9)]
    assert len(cache) == 3


def test_least_recently_used_input_leaves_first():
    cache = make_cache(max_entries=2)
    look_up(cache, (1,))
    look_up(cache, (2,))
    look_up(cache, (1,))
    look_up(cache, (3,))
    assert look_up(cache, (1,))[1] == []
    assert look_up(cache, (2,))[1] == [(2,)]


def test_a_batch_may_be_larger_than_the_cache():
    features, _ = look_up(make_cache(max_entries=1), (1,), (2,), (3,))
    assert features.tokens[:, 0, 0].tolist() == [1, 2, 3]


def test_what_is_done_to_the_features_does_not_reach_the_cache():
    cache = make_cache(max_entries=2)
    look_up(cache, (1,))[0].tokens.zero_()
    assert look_up(cache, (1,))[0].tokens.tolist() == [[[1.0, 10.0]]]


def test_cache_keeps_no_more_memory_than_its_features():
    cache = make_cache(max_entries=9)
    look_up(cache, (1, 2, 3), (4,))
    sizes = [entry[0].untyped_storage().nbytes() for entry in cache._memory.values()]
    assert sizes == [3 * 5 * 2 * 4, 1 * 5 * 2 * 4]


def test_half_precision_takes_half_and_rounds():
    cache = make_cache(max_entries=9, dtype='float16')
    look_up(cache, (205,))
    (stack, _), *_ = cache._memory.values()
    assert stack.untyped_storage().nbytes() == 5 * 2 * 2
    tokens = look_up(cache, (205,))[0].tokens
    assert tokens.dtype == torch.float32
    assert tokens.tolist() == [[[205.0, 2050.0]]]


def test_unknown_dtype():
    with pytest.raises(ValueError, match="float32 or float16, not 'int8'"):
        make_cache(dtype='int8')


def test_cleared_cache_encodes_anew():
    cache = make_cache(max_entries=9)
    look_up(cache, (1,))
    cache.clear()
    assert look_up(cache, (1,))[1] == [(1,)]


# -- on disk ---------------------------------------------------------------

ROWS = [(number, number + 1, 7)[: 1 + number % 3] for number in range(1, 41)]


def build(cache, rows=ROWS, size=8):
    """Build in batches of ``size``; returns the rows that were encoded."""
    encoders = [Encoder(rows[i : i + size]) for i in range(0, len(rows), size)]
    batches = [(encoder.keys, encoder) for encoder in encoders]
    cache.build(batches, CPU, sum(map(len, rows)), 'rows')
    return [row for encoder in encoders for row in encoder.asked]


@pytest.fixture
def folder(tmp_path):
    return str(tmp_path / 'cache')


def files(folder):
    return sorted(Path(folder).rglob('*.safetensors'))


@pytest.mark.parametrize('dtype', ['float32', 'float16'])
def test_what_was_built_is_read_by_another_process(folder, dtype):
    options = dict(folder=folder, dtype=dtype)
    assert build(make_cache(**options)) == ROWS
    features, asked = look_up(make_cache(**options), *ROWS)
    assert asked == []
    assert torch.equal(
        values(features), values(look_up(make_cache(max_entries=99), *ROWS)[0])
    )


def test_what_is_not_on_the_disk_is_encoded(folder):
    build(make_cache(folder=folder))
    features, asked = look_up(make_cache(folder=folder), ROWS[3], (99, 98))
    assert asked == [(99, 98)]
    assert features.tokens[1, :, 0].tolist() == [99, 98]


def test_building_again_encodes_only_what_is_new(folder):
    build(make_cache(folder=folder), ROWS[:20])
    assert build(make_cache(folder=folder), ROWS) == ROWS[20:]
    assert build(make_cache(folder=folder), ROWS) == []


def test_other_weights_have_other_files(folder):
    build(make_cache(folder=folder, identity=lambda: 'one'))
    other = make_cache(folder=folder, identity=lambda: 'two')
    assert look_up(other, ROWS[0])[1] == [ROWS[0]]


def test_weights_that_change_while_the_cache_lives(folder):
    name = ['one']
    cache = make_cache(folder=folder, identity=lambda: name[0])
    build(cache)
    name[0] = 'two'
    cache.clear()
    assert look_up(cache, ROWS[0])[1] == [ROWS[0]]


@pytest.mark.parametrize('kept', [0, 5, 100, -1])
def test_truncated_files_are_made_anew(folder, kept):
    build(make_cache(folder=folder))
    for path in files(folder):
        path.write_bytes(path.read_bytes()[:kept])
    cache = make_cache(folder=folder)
    assert look_up(cache, ROWS[0])[1] == [ROWS[0]]
    assert build(cache) == ROWS
    assert look_up(make_cache(folder=folder), *ROWS)[1] == []


def test_full_disk_is_found_before_the_work(folder, monkeypatch):
    usage = type('usage', (), dict(free=1000))
    monkeypatch.setattr('shutil.disk_usage', lambda folder: usage)
    cache = make_cache(folder=folder)
    with pytest.raises(OSError, match='the disk has 0.0 GiB left; free some space'):
        build(cache)
    assert files(folder) == []


def test_disk_that_fills_up_meanwhile_leaves_no_part(folder, monkeypatch):
    def fail(source, target):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr('os.replace', fail)
    with pytest.raises(OSError, match='No space left on device.*name another folder'):
        build(make_cache(folder=folder))
    assert [path.name for path in Path(folder).rglob('*') if path.is_file()] == ['lock']


def _build_slowly(folder, started):
    cache = make_cache(folder=folder)

    def encode_slowly(encoder):
        def encode(positions):
            time.sleep(0.02)
            started.set()
            return encoder(positions)

        return encode

    encoders = [Encoder(ROWS[i : i + 2]) for i in range(0, len(ROWS), 2)]
    batches = [(encoder.keys, encode_slowly(encoder)) for encoder in encoders]
    cache.build(batches, CPU, sum(map(len, ROWS)), 'rows')
    os._exit(10 + any(encoder.asked for encoder in encoders))


@pytest.fixture
def small_files(monkeypatch):
    monkeypatch.setattr('m2ist_mm.feature_cache.feature_cache.FILE_BYTES', 200)


def test_a_build_that_was_killed_goes_on(folder, small_files):
    context = multiprocessing.get_context('fork')
    started = context.Event()
    process = context.Process(target=_build_slowly, args=(folder, started))
    process.start()
    assert started.wait(60)
    time.sleep(0.2)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    (part,) = Path(folder).iterdir()
    (part / '.torn.safetensors.tmp').write_bytes(b'torn')
    before = len(make_cache(folder=folder).store)
    assert 0 < before < len(ROWS)
    assert len(build(make_cache(folder=folder))) == len(ROWS) - before
    assert look_up(make_cache(folder=folder), *ROWS)[1] == []
    assert not (part / '.torn.safetensors.tmp').exists()


def test_of_two_that_build_at_once_one_works(folder, small_files):
    context = multiprocessing.get_context('fork')
    processes = [
        context.Process(target=_build_slowly, args=(folder, context.Event()))
        for _ in range(2)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    # one encoded all, the other found all there
    assert sorted(process.exitcode for process in processes) == [10, 11]
    assert look_up(make_cache(folder=folder), *ROWS)[1] == []


# -- before a real tower ---------------------------------------------------

TAPS = dict(
    attention='model.encoder.layer.{i}.attention.output',
    ffn='model.encoder.layer.{i}.output.dense',
)


@pytest.fixture
def bert(make_model, language_config):
    tower = make_model(language_config).eval().requires_grad_(False)

    def encode(ids, mask):
        with record_taps(tower, TAPS, [0, 1]) as taps:
            features = tower(ids, mask)
        return features.replace(taps=taps)

    encode.embed_dims = tower.embed_dims
    return encode


def look_up_texts(cache, bert, ids, mask):
    return cache.lookup(
        text_keys(ids, mask),
        CPU,
        lambda rows: bert(ids[rows], mask[rows]),
        ids.shape[1],
    )


def bert_cache(bert, size):
    return FeatureCache(bert.embed_dims, dict(attention=2, ffn=2), True, size)


def test_features_of_a_bert_are_those_without_cache(bert, texts):
    ids, mask = texts
    plain = bert(ids, mask)
    cache = bert_cache(bert, 9)
    for _ in range(2):
        cached = look_up_texts(cache, bert, ids, mask)
        visible = mask.bool()
        for kept, fresh in zip(values(cached), values(plain), strict=True):
            torch.testing.assert_close(kept[visible], fresh[visible], rtol=0, atol=1e-6)
        assert torch.equal(cached.mask, plain.mask)


def test_features_do_not_depend_on_autocast(bert, texts):
    plain = look_up_texts(bert_cache(bert, 9), bert, *texts)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        cast = look_up_texts(bert_cache(bert, 9), bert, *texts)
    assert torch.equal(values(plain), values(cast))


def test_padding_of_a_batch_does_not_make_an_expression_new(texts):
    ids, mask = texts
    short = int(mask[1].sum())
    assert text_keys(ids[1:2, :short], mask[1:2, :short]) == text_keys(ids, mask)[1:2]


def test_backbone_without_cache_has_none(backbone_config):
    backbone = MODELS.build(backbone_config)
    assert backbone.language_cache is None
    assert backbone.vision_cache is None


# -- several ranks ---------------------------------------------------------


def _build_as_rank(rank, folder):
    torch.distributed.init_process_group(
        'gloo', init_method=f'file://{folder}/meet', rank=rank, world_size=2
    )
    cache = make_cache(max_entries=99)
    encoded = build(cache)
    features, asked = look_up(cache, *ROWS)
    torch.save((encoded, asked, values(features)), f'{folder}/{rank}.pth')
    torch.distributed.destroy_process_group()


def test_ranks_share_what_is_kept_in_memory(tmp_path):
    context = multiprocessing.get_context('fork')
    processes = [
        context.Process(target=_build_as_rank, args=(rank, tmp_path)) for rank in (0, 1)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    (first, *seen), (second, *seen_too) = [
        torch.load(tmp_path / f'{rank}.pth', weights_only=True) for rank in (0, 1)
    ]
    assert (first, second) == (
        ROWS[:8] + ROWS[16:24] + ROWS[32:],
        ROWS[8:16] + ROWS[24:32],
    )
    whole = values(look_up(make_cache(max_entries=99), *ROWS)[0])
    for asked, features in (seen, seen_too):
        assert asked == []
        assert torch.equal(features, whole)
