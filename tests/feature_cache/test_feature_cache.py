import copy
import multiprocessing
import os
import pickle
import signal
import threading
import time
from pathlib import Path

import pytest
import torch
from mmengine.runner.checkpoint import _load_checkpoint_to_model

from m2ist_mm.feature_cache import FeatureCache


def batch(*rows):
    """Token ids of some texts, and their attention mask."""
    longest = max(map(len, rows))
    ids = torch.tensor([[*row, *(longest - len(row)) * [0]] for row in rows])
    return ids, (ids != 0).long()


def values(features):
    return [
        features.tokens,
        *([] if features.inputs is None else [features.inputs]),
        *(tap for kind in features.taps.values() for tap in kind),
    ]


def attach(tower, **options):
    tower.cache = FeatureCache(tower, **options)
    return tower


def assert_equal(features, expected):
    """All the same, where a text has tokens."""
    assert features.taps.keys() == expected.taps.keys()
    assert features.grid == expected.grid
    assert torch.equal(features.mask, expected.mask)
    for value, wanted in zip(values(features), values(expected), strict=True):
        if features.grid is None:
            seen = ~features.mask[..., None]
            assert not (value * ~seen).any()
            value, wanted = value * seen, wanted * seen
        assert value.dtype == torch.float32
        assert torch.equal(value, wanted)


# -- in memory -------------------------------------------------------------


def test_features_of_texts_are_those_of_the_tower(text_tower):
    inputs = batch((5, 6, 7), (8,))
    expected = text_tower.encode(*inputs)
    assert [tap.shape[2] for tap in expected.taps['a']] == [3, 5]
    attach(text_tower, max_entries=9)
    for _ in range(2):
        assert_equal(text_tower.encode(*inputs), expected)


def test_features_of_images_are_those_of_the_tower(image_tower, images):
    expected = image_tower.encode(*images)
    assert expected.inputs is None
    assert expected.taps['map'][0].shape == (3, 2, 1, 2)
    attach(image_tower, max_entries=9)
    for _ in range(2):
        assert_equal(image_tower.encode(*images), expected)


def test_each_new_text_is_encoded_once(text_tower):
    attach(text_tower, max_entries=9)
    text_tower.encode(*batch((5, 6), (8,), (5, 6)))
    assert text_tower.asked() == [(5, 6), (8,)]
    text_tower.encode(*batch((8,), (9, 9, 9), (5, 6)))
    assert text_tower.asked() == [(9, 9, 9)]
    assert len(text_tower.cache) == 3


def test_an_image_is_known_by_its_pixels_and_its_padding(image_tower, images):
    attach(image_tower, max_entries=9)
    image_tower.encode(*images)
    pixels, mask = (part.clone() for part in images)
    assert image_tower.asked() == 3
    image_tower.encode(pixels[[2, 0]], mask[[2, 0]])
    assert image_tower.asked() == 0
    mask[0, 0, 0] = True
    pixels[2, 1, 3, 3] += 1e-6
    image_tower.encode(pixels, mask)
    assert image_tower.asked() == 2
    # as many pixels, in another form
    image_tower.encode(pixels[:1].view(1, 3, 24, 16), mask[:1].view(1, 24, 16))
    assert image_tower.asked() == 1


def test_memory_format_of_images_does_not_matter(image_tower, images):
    attach(image_tower, max_entries=9)
    image_tower.encode(*images)
    image_tower.encode(images[0].to(memory_format=torch.channels_last), images[1])
    assert image_tower.asked() == 3


def test_least_recently_used_input_leaves_first(text_tower):
    attach(text_tower, max_entries=2)
    for number in (1, 2, 1, 3):
        text_tower.encode(*batch((number,)))
    text_tower.asked()
    text_tower.encode(*batch((1,)))
    assert text_tower.asked() == []
    text_tower.encode(*batch((2,)))
    assert text_tower.asked() == [(2,)]


def test_a_batch_may_be_larger_than_the_cache(text_tower):
    attach(text_tower, max_entries=1)
    features = text_tower.encode(*batch((1,), (2,), (3,)))
    assert features.tokens[:, 0, 0].tolist() == [1, 2, 3]


def test_what_is_done_to_the_features_does_not_reach_the_cache(image_tower, images):
    attach(image_tower, max_entries=3)
    for _ in range(2):
        features = image_tower.encode(*images)
        expected = image_tower.run(*images)
        assert_equal(features, expected)
        for value in values(features):
            value.zero_()


def test_cache_keeps_no_more_memory_than_its_features(text_tower):
    attach(text_tower, max_entries=9)
    text_tower.encode(*batch((1, 2, 3), (4,)))
    sizes = [
        packed.rows.untyped_storage().nbytes()
        for _, packed in text_tower.cache._memory.values()
    ]
    assert sizes == [3 * (2 + 2 + 3 + 5) * 4, (2 + 2 + 3 + 5) * 4]


def test_half_precision_takes_half_and_rounds(text_tower):
    attach(text_tower, max_entries=9, dtype='float16')
    text_tower.encode(*batch((205,)))
    ((_, packed),) = text_tower.cache._memory.values()
    assert packed.rows.untyped_storage().nbytes() == (2 + 2 + 3 + 5) * 2
    tokens = text_tower.encode(*batch((205,))).tokens
    assert tokens.dtype == torch.float32
    assert tokens.tolist() == [[[205.0, 2050.0]]]


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(max_entries=9, dtype='int8'), "float32 or float16, not 'int8'"),
        (dict(), 'max_entries of at least 1, got 0'),
        (dict(max_entries=-1, folder='x'), 'with a folder .* at least 0, got -1'),
        (dict(max_entries='9'), "at least 1, got '9'"),
    ],
)
def test_caches_that_make_no_sense_are_refused(text_tower, options, message):
    with pytest.raises(ValueError, match=message):
        FeatureCache(text_tower, **options)


def load_by_torch(tower, state):
    torch.nn.ModuleDict(dict(tower=tower)).load_state_dict(
        {f'tower.{name}': value for name, value in state.items()}
    )


def load_by_mmengine(tower, state):
    _load_checkpoint_to_model(tower, dict(state_dict=state), strict=True)


@pytest.mark.parametrize('load', [load_by_torch, load_by_mmengine])
def test_other_weights_empty_the_cache(text_tower, make_text_tower, load):
    attach(text_tower, max_entries=9)
    text_tower.encode(*batch((1,)))
    load(text_tower, make_text_tower(scale=2.0).state_dict())
    assert text_tower.encode(*batch((1,))).tokens.tolist() == [[[2.0, 20.0]]]
    assert len(text_tower.cache) == 1


def test_the_same_weights_do_not(text_tower, make_text_tower):
    attach(text_tower, max_entries=9)
    text_tower.encode(*batch((1,)))
    load_by_torch(text_tower, make_text_tower().state_dict())
    text_tower.asked()
    text_tower.encode(*batch((1,)))
    assert text_tower.asked() == []


def test_other_taps_empty_the_cache(text_tower):
    attach(text_tower, max_entries=9)
    text_tower.encode(*batch((1,)))
    text_tower.tap(dict(a=[1]))
    assert [tap.shape[2] for tap in text_tower.encode(*batch((1,))).taps['a']] == [5]


def test_tower_that_builds_a_graph_does_not_ask_the_cache(text_tower):
    attach(text_tower, max_entries=9)
    text_tower.frozen = False
    text_tower.scale.requires_grad_(True)
    assert text_tower.encode(*batch((1,))).tokens.requires_grad
    assert len(text_tower.cache) == 0


@pytest.mark.parametrize(
    'copied', [copy.deepcopy, lambda tower: pickle.loads(pickle.dumps(tower))]
)
def test_a_copy_has_a_cache_of_its_own(text_tower, tmp_path, copied):
    attach(text_tower, max_entries=9, folder=str(tmp_path))
    text_tower.encode(*batch((1,)))
    twin = copied(text_tower)
    assert twin.cache.tower is twin
    assert len(twin.cache) == 0
    with torch.no_grad():
        twin.scale.mul_(2)
    assert twin.encode(*batch((1,))).tokens.tolist() == [[[2.0, 20.0]]]
    assert text_tower.encode(*batch((1,))).tokens.tolist() == [[[1.0, 10.0]]]


def test_cache_adds_nothing_to_the_state(text_tower):
    names = list(text_tower.state_dict())
    attach(text_tower, max_entries=9).encode(*batch((1,)))
    assert list(text_tower.state_dict()) == names


def test_threads_get_what_is_right(text_tower):
    attach(text_tower, max_entries=3)
    wrong = []

    def ask(offset):
        for number in range(200):
            row = (1 + (number * 7 + offset) % 5,) * (1 + number % 3)
            tokens = text_tower.encode(*batch(row)).tokens[0, :, 0]
            if tokens.tolist() != [float(one) for one in row]:
                wrong.append(row)

    threads = [threading.Thread(target=ask, args=(offset,)) for offset in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


# -- on disk ---------------------------------------------------------------

ROWS = [(number, number + 1, 7)[: 1 + number % 3] for number in range(1, 41)]


def build(tower, rows=ROWS, size=8):
    """Build in batches of ``size``; returns the rows that were encoded."""
    batches = [batch(*rows[i : i + size]) for i in range(0, len(rows), size)]
    tower.cache.build(batches, len(rows), sum(map(len, rows)), 'rows')
    return tower.asked()


@pytest.fixture
def folder(tmp_path):
    return str(tmp_path / 'cache')


@pytest.fixture
def make(make_text_tower, folder):
    """Makes a tower, always the same, with a cache in the folder."""

    def make(scale=1.0, widths=(3, 5), **options):
        options = dict(folder=folder) | options
        return attach(make_text_tower(scale, widths), **options)

    return make


@pytest.fixture
def log(monkeypatch):
    lines = []
    for module in ('feature_cache', 'feature_store'):
        monkeypatch.setattr(
            f'm2ist_mm.feature_cache.{module}.print_log',
            lambda line, **options: lines.append(line),
        )
    return lines


def files(folder):
    return sorted(Path(folder).rglob('*.safetensors'))


@pytest.mark.parametrize('dtype', ['float32', 'float16'])
def test_what_was_built_is_read_by_another_process(make, dtype):
    assert build(make(dtype=dtype)) == ROWS
    other = make(dtype=dtype)
    features = other.encode(*batch(*ROWS))
    assert other.asked() == []
    assert_equal(features, other.run(*batch(*ROWS)))


def test_images_and_their_maps_are_read_from_the_disk(image_tower, images, folder):
    attach(image_tower, folder=folder)
    image_tower.cache.build([images], 3, 18, 'images')
    assert image_tower.asked() == 3
    expected = image_tower.run(*images)
    image_tower.asked()
    attach(image_tower, folder=folder)
    assert_equal(image_tower.encode(*images), expected)
    assert image_tower.asked() == 0


def test_memory_before_the_disk(make, folder):
    build(make())
    tower = make(max_entries=40)
    tower.encode(*batch(*ROWS))
    assert len(tower.cache) == 40
    for path in files(folder):
        path.unlink()
    tower.encode(*batch(*ROWS))
    assert tower.asked() == []


def test_what_is_not_on_the_disk_is_encoded(make):
    build(make())
    tower = make()
    features = tower.encode(*batch(ROWS[3], (99, 98)))
    assert tower.asked() == [(99, 98)]
    assert features.tokens[1, :, 0].tolist() == [99, 98]


def test_building_again_encodes_only_what_is_new(make):
    build(make(), ROWS[:20])
    assert build(make()) == ROWS[20:]
    assert build(make()) == []


@pytest.mark.parametrize(
    'other',
    [dict(scale=2.0), dict(widths=(3, 4)), dict(dtype='float16')],
    ids=['weights', 'architecture', 'dtype'],
)
def test_another_tower_has_other_files(make, other):
    build(make())
    tower = make(**other)
    tower.encode(*batch(ROWS[0]))
    assert tower.asked() == [ROWS[0]]
    assert build(tower) == ROWS
    assert build(make()) == []


def test_weights_that_change_while_the_cache_lives(make):
    tower = make()
    build(tower)
    with torch.no_grad():
        tower.scale.mul_(2)
    assert tower.encode(*batch(ROWS[0])).tokens[0, 0].tolist() == [2.0, 20.0]
    with torch.no_grad():
        tower.scale.div_(2)
    tower.asked()
    tower.encode(*batch(ROWS[0]))
    assert tower.asked() == []


def test_damaged_files_are_made_anew(make, folder, small_files, log):
    build(make())
    first, *others = files(folder)
    content = bytearray(first.read_bytes())
    content[-9] ^= 1
    first.write_bytes(content)
    log.clear()
    tower = make()
    lost = build(tower)
    assert 0 < len(lost) < len(ROWS)
    assert len([line for line in log if 'is damaged' in line]) == 1
    assert_equal(tower.encode(*batch(*ROWS)), tower.run(*batch(*ROWS)))
    # the same content has the same name
    assert files(folder) == [first, *others]


def test_size_is_told_before(make, folder, log):
    tower = make()
    build(tower)
    assert len(log) == 1
    assert log[0].startswith(f'Feature cache of rows in {folder}')
    tokens = sum(map(len, ROWS))
    (path,) = files(folder)
    assert 12 * 4 * tokens < path.stat().st_size < 12 * 4 * tokens + 8192


def test_full_disk_is_found_before_the_work(make, folder, monkeypatch):
    usage = type('usage', (), dict(free=1000))
    monkeypatch.setattr('shutil.disk_usage', lambda folder: usage)
    tower = make()
    with pytest.raises(OSError, match='the disk has 0.0 GiB left; free some space'):
        build(tower)
    assert len(tower.asked()) == 8  # one batch, which shows how large they are
    assert files(folder) == []


def test_disk_that_fills_up_meanwhile_leaves_no_part(make, folder, monkeypatch):
    def fail(source, target):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr('os.replace', fail)
    with pytest.raises(OSError, match='No space left on device.*name another folder'):
        build(make())
    left = {path.name for path in Path(folder).rglob('*') if path.is_file()}
    assert left <= {'lock'}


@pytest.fixture
def small_files(monkeypatch):
    monkeypatch.setattr('m2ist_mm.feature_cache.feature_cache.FILE_BYTES', 200)


def _build_slowly(tower, started):
    run = type(tower).run

    def run_slowly(tower, x, mask):
        time.sleep(0.02)
        started.set()
        return run(tower, x, mask)

    type(tower).run = run_slowly  # of this process
    os._exit(10 + bool(build(tower, size=2)))


def test_a_build_that_was_killed_goes_on(make, folder, small_files):
    context = multiprocessing.get_context('fork')
    started = context.Event()
    process = context.Process(target=_build_slowly, args=(make(), started))
    process.start()
    assert started.wait(60)
    time.sleep(0.2)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    (part,) = Path(folder).iterdir()
    (part / '.torn.safetensors.tmp').write_bytes(b'torn')
    before = len(make().cache.store)
    assert 0 < before < len(ROWS)
    assert len(build(make())) == len(ROWS) - before
    tower = make()
    assert_equal(tower.encode(*batch(*ROWS)), tower.run(*batch(*ROWS)))
    assert not (part / '.torn.safetensors.tmp').exists()


def test_of_two_that_build_at_once_one_works(make, small_files):
    context = multiprocessing.get_context('fork')
    processes = [
        context.Process(target=_build_slowly, args=(make(), context.Event()))
        for _ in range(2)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    # one encoded all, the other found all there
    assert sorted(process.exitcode for process in processes) == [10, 11]
    tower = make()
    tower.encode(*batch(*ROWS))
    assert tower.asked() == []


# -- before real towers ----------------------------------------------------


@pytest.fixture
def texts():
    return batch((2, 5, 7, 6, 3), (2, 8, 3), (2, 9, 4, 3))


@torch.no_grad()
def test_features_of_a_bert_are_those_without_cache(backbone, texts):
    tower = backbone.language
    expected = tower.encode(*texts)
    assert [*expected.taps] == ['attention', 'ffn']
    attach(tower, max_entries=9)
    for _ in range(2):
        assert_equal(tower.encode(*texts), expected)
    # in another batch, up to rounding
    features = tower.encode(texts[0][1:, :4], texts[1][1:, :4])
    seen = texts[1][1:, :4].bool()
    for value, wanted in zip(values(features), values(expected), strict=True):
        torch.testing.assert_close(value[seen], wanted[1:, :4][seen], rtol=0, atol=1e-6)


@torch.no_grad()
def test_features_of_a_detr_encoder_are_those_without_cache(backbone):
    tower = backbone.vision
    images, mask = torch.randn(3, 3, 128, 96), torch.zeros(3, 128, 96, dtype=torch.bool)
    mask[1, 64:] = True
    expected = tower.encode(images, mask)
    attach(tower, max_entries=9)
    for _ in range(2):
        assert_equal(tower.encode(images, mask), expected)


@pytest.mark.parametrize('dtype', ['float32', 'float16'])
@torch.no_grad()
def test_features_do_not_depend_on_autocast(backbone, texts, dtype):
    tower = backbone.language
    attach(tower, max_entries=9, dtype=dtype)
    expected = tower.encode(*texts)
    attach(tower, max_entries=9, dtype=dtype)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        for _ in range(2):
            assert_equal(tower.encode(*texts), expected)


# -- several ranks ---------------------------------------------------------


def _build_as_rank(rank, tower, folder):
    torch.distributed.init_process_group(
        'gloo', init_method=f'file://{folder}/meet', rank=rank, world_size=2
    )
    encoded = build(tower)
    features = values(tower.encode(*batch(*ROWS)))
    torch.save((encoded, tower.asked(), features), f'{folder}/{rank}.pth')
    torch.distributed.destroy_process_group()


def test_ranks_share_what_is_kept_in_memory(make, tmp_path):
    context = multiprocessing.get_context('fork')
    processes = [
        context.Process(
            target=_build_as_rank,
            args=(rank, make(folder=None, max_entries=99), tmp_path),
        )
        for rank in (0, 1)
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
    whole = values(make(folder=None, max_entries=99).encode(*batch(*ROWS)))
    for asked, features in (seen, seen_too):
        assert asked == []
        for value, wanted in zip(features, whole, strict=True):
            assert torch.equal(value, wanted)
