import pytest
import torch

from m2ist_mm.feature_cache import FeatureLayout, FeatureStore, PackedFeatures

TEXT = FeatureLayout(('tokens', 'ffn/0'), ((2,), (3,)), None)
IMAGE = FeatureLayout(('tokens', 'ffn/0'), ((2,), (3, 1, 2)), (2, 2))


def key(number):
    return number.to_bytes(16, 'big')


def entries(*numbers, maps=0):
    return {
        key(number): PackedFeatures(
            torch.full((number, 5), float(number), dtype=torch.float16),
            torch.tensor([False] * (number - 1) + [True]),
            torch.full((maps,), float(number), dtype=torch.float16),
        )
        for number in numbers
    }


@pytest.fixture
def store(tmp_path):
    store = FeatureStore(tmp_path / 'store')
    with store.writing():
        store.write(TEXT, entries(1, 3, 2))
        store.write(IMAGE, entries(4, 5, maps=6))
    return store


@pytest.fixture
def log(monkeypatch):
    lines = []
    monkeypatch.setattr(
        'm2ist_mm.feature_cache.feature_store.print_log',
        lambda line, **options: lines.append(line),
    )
    return lines


def check(store, numbers):
    assert len(store) == len(numbers)
    for number in numbers:
        maps = 6 if number > 3 else 0
        layout, packed = store.read(key(number))
        assert layout == (IMAGE if maps else TEXT)
        expected = entries(number, maps=maps)[key(number)]
        for part, wanted in zip(packed, expected, strict=True):
            assert part.dtype == wanted.dtype
            assert torch.equal(part, wanted)


def test_what_was_written_is_read_by_all(store):
    check(store, [1, 2, 3, 4, 5])
    check(FeatureStore(store.folder), [1, 2, 3, 4, 5])
    assert key(6) not in store
    with pytest.raises(KeyError):
        store.read(key(6))


def test_others_see_what_is_new_when_they_look(store):
    other = FeatureStore(store.folder)
    with store.writing():
        store.write(TEXT, entries(6))
    assert key(6) not in other
    other.refresh()
    assert key(6) in other


def test_size_is_that_of_the_files(store):
    sizes = [path.stat().st_size for path in store.folder.glob('*.safetensors')]
    assert store.num_bytes == sum(sizes) > 0


@pytest.mark.parametrize('place', [0, 9, 60, 0.5, -30, -1])
def test_a_flipped_bit_removes_the_file(store, log, place):
    layout_file = store._places[key(1)][0]
    path = next(p for p, file in store._files.items() if file is layout_file)
    content = bytearray(path.read_bytes())
    content[int(place * len(content)) if isinstance(place, float) else place] ^= 4
    path.write_bytes(content)
    check(FeatureStore(store.folder), [4, 5])
    assert not path.exists()
    assert log == [f'{path} is damaged: removed, its features are computed anew']


@pytest.mark.parametrize('kept', [0, 5, 100, -1])
def test_truncated_files_are_removed(store, log, kept):
    for path in store.folder.glob('*.safetensors'):
        path.write_bytes(path.read_bytes()[:kept])
    assert len(FeatureStore(store.folder)) == 0
    assert len(log) == 2
    assert not list(store.folder.glob('*.safetensors'))


def test_what_was_left_unfinished_is_removed_by_the_next_writer(store):
    torn = store.folder / '.torn.safetensors.tmp'
    torn.write_bytes(b'torn')
    FeatureStore(store.folder)
    assert torn.exists()  # its writer may be at work
    with store.writing():
        assert not torn.exists()


def test_folder_that_is_not_there_is_empty(tmp_path):
    assert len(FeatureStore(tmp_path / 'none')) == 0
    assert not (tmp_path / 'none').exists()
