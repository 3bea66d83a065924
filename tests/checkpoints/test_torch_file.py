"""Files of ``torch.save``: what is read, what is refused, what is damaged."""

import argparse
import io
import os
import pickle
import random
import subprocess
import sys
import zipfile
from collections import Counter, OrderedDict

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer

from m2ist_mm.checkpoints.torch_file import read_torch_file


class Reduced:
    """Unpickles as ``function(*arguments)``, with a state where one is given."""

    def __init__(self, function, *arguments, state=None):
        self.parts = (function, arguments) + (() if state is None else (state,))

    def __reduce__(self):
        return self.parts


def save(content, path, **settings):
    torch.save(content, path, **settings)
    return str(path)


def write_zip(path, pickled, **members):
    """Write a torch file around a pickle made by hand."""
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr('archive/data.pkl', pickled)
        archive.writestr('archive/byteorder', 'little')
        archive.writestr('archive/version', '3\n')
        for name, content in members.items():
            archive.writestr(f'archive/data/{name}', content)
    return str(path)


def everything():
    """One of everything that checkpoints, resume files and lists hold."""
    weights = torch.arange(12.0).reshape(3, 4)
    return dict(
        plain=[None, True, -3, 2**70, 0.5, 'text ü', b'bytes', (1, [2], {'a': 3})],
        numbers=[np.float32(0.5), np.int64(3), np.bool_(True), np.float64(-0.25)],
        arrays=[
            np.arange(6, dtype=np.uint8).reshape(2, 3),
            np.asfortranarray(np.arange(6.0).reshape(2, 3)),
            np.array([1, 258], '>i2'),
            np.zeros((0, 4), np.float16),
            np.array([True, False]),
        ],
        tensors=[
            weights,
            weights.T,
            weights[1:, ::2],
            torch.tensor(7),
            torch.zeros(0, 3),
            torch.tensor([True, False]),
            torch.ones(3, dtype=torch.bfloat16),
            torch.tensor([1, 2], dtype=torch.uint8),
            torch.tensor([2**15], dtype=torch.uint16),
            torch.tensor([1 + 2j]),
            torch.nn.Parameter(torch.rand(2)),
        ],
        counter=Counter([3, 3, 5]),
        ordered=OrderedDict(b=1, a=2),
        others=[{1, 2}, 1 + 2j, bytearray(b'ab'), torch.Size([2, 3]), torch.float16],
        options=argparse.Namespace(lr=0.1, name='detr'),
    )


def assert_equal(found, expected):
    if isinstance(expected, torch.Tensor):
        assert found.dtype == expected.dtype
        assert found.shape == expected.shape
        assert torch.equal(found, expected)
    elif isinstance(expected, (np.ndarray, np.generic)):
        assert type(found) is type(expected)
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)
    elif isinstance(expected, dict):
        assert type(found) is type(expected)
        assert list(found) == list(expected)
        for key in expected:
            assert_equal(found[key], expected[key])
    elif isinstance(expected, (list, tuple)):
        assert type(found) is type(expected)
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_equal(one, other)
    else:
        assert type(found) is type(expected)
        assert found == expected


@pytest.mark.parametrize(
    'settings',
    [{}, dict(_use_new_zipfile_serialization=False), dict(pickle_protocol=4)],
    ids=['zip', 'legacy', 'protocol 4'],
)
def test_what_checkpoints_hold_is_read_like_torch_reads_it(tmp_path, settings):
    content = everything()
    if 'pickle_protocol' in settings:
        # what torch writes by protocol 2 alone
        del content['others'], content['arrays'], content['numbers']
    path = save(content, tmp_path / 'a.pth', **settings)
    assert_equal(read_torch_file(path), content)


def test_curves_of_the_message_hub_are_read(tmp_path):
    path = save(dict(loss=HistoryBuffer([1.0, 2.5], [1, 1], 10)), tmp_path / 'a.pth')
    loss = read_torch_file(path)['loss']
    assert loss.mean() == 1.75
    assert loss.current() == 2.5
    assert loss.max_length == 10
    loss.update(1.0)
    assert loss.mean() == 1.5


def test_metadata_of_a_state_dict_is_kept(tmp_path):
    state = torch.nn.BatchNorm1d(2).state_dict()
    found = read_torch_file(save(state, tmp_path / 'a.pth'))
    assert found._metadata == state._metadata
    assert found._metadata['']['version'] == 2


def test_attributes_of_tensors_are_left_out(tmp_path):
    tensor = torch.arange(3.0)
    tensor.made_by = 'FSDP'
    found = read_torch_file(save([tensor], tmp_path / 'a.pth'))[0]
    assert torch.equal(found, tensor)
    assert not hasattr(found, 'made_by')


def test_tensors_can_be_changed_in_place(tmp_path):
    path = save(dict(a=torch.zeros(3)), tmp_path / 'a.pth')
    tensor = read_torch_file(path)['a']
    tensor += 1
    assert torch.equal(tensor, torch.ones(3))
    assert not tensor._is_view()


def test_names_of_numpy_1_are_read(tmp_path):
    path = tmp_path / 'a.pth'
    # not the zip format, whose entries a shorter name would move
    save(np.float64(0.25), path, _use_new_zipfile_serialization=False)
    content = path.read_bytes().replace(b'numpy._core.multi', b'numpy.core.multi')
    path.write_bytes(content)
    assert b'numpy.core.multiarray' in content
    assert read_torch_file(path) == 0.25


def test_format_without_checksums_is_told(tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr(
        'm2ist_mm.checkpoints.torch_file.print_log', lambda text, **_: told.append(text)
    )
    read_torch_file(save([1], tmp_path / 'new.pth'))
    assert told == []
    old = tmp_path / 'old.pth'
    read_torch_file(save([1], old, _use_new_zipfile_serialization=False))
    assert len(told) == 1
    assert str(old) in told[0]
    assert 'no checksums' in told[0]


# -- what could run code ---------------------------------------------------


class Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize('new_format', [True, False])
def test_pickle_bomb_runs_nothing(tmp_path, new_format):
    path = tmp_path / 'bomb.pth'
    ran = tmp_path / 'ran'
    save(dict(a=Bomb(ran)), path, _use_new_zipfile_serialization=new_format)
    with pytest.raises(ValueError, match=r'bomb.pth cannot be .* run code.*mkdir') as e:
        read_torch_file(path)
    assert '\n' not in str(e.value)
    assert not ran.exists()
    pickle.loads(pickle.dumps(Bomb(ran)))  # the bomb is a live one
    assert ran.exists()


def test_getattr_is_for_statistics_alone(tmp_path):
    path = tmp_path / 'a.pth'
    save([Reduced(getattr, HistoryBuffer, 'min')], path)
    assert read_torch_file(path) == [HistoryBuffer.min]
    for owner, name in [(HistoryBuffer, '__init__'), (np.ndarray, 'min')]:
        save([Reduced(getattr, owner, name)], path)
        with pytest.raises(ValueError, match='could run code'):
            read_torch_file(path)


def test_methods_of_this_package_are_not_replaced(tmp_path):
    """BUILD on a class would set its attributes for the whole process."""
    pickled = (
        b'\x80\x02cmmengine.logging.history_buffer\nHistoryBuffer\n'
        b'N}X\x03\x00\x00\x00minX\x01\x00\x00\x00xs\x86b.'
    )
    before = HistoryBuffer.min
    with pytest.raises(ValueError, match='state of a plain object'):
        read_torch_file(write_zip(tmp_path / 'a.pth', pickled))
    assert HistoryBuffer.min is before


# -- what could corrupt memory ---------------------------------------------

ADDRESS = b'\x41' * 8
RECONSTRUCT = np.zeros(0).__reduce__()[0]
ARRAY = (RECONSTRUCT, np.ndarray, (0,), b'b')
FIELDS = (3, '|', None, ('a',), dict(a=(np.dtype('O'), 0)), 8, 1, 63)


CRAFTED = {
    'object array by its constructor': Reduced(
        np.ndarray, (1,), np.dtype('O'), ADDRESS
    ),
    'float array by its constructor': Reduced(
        np.ndarray, (1,), np.dtype('f8'), ADDRESS
    ),
    'negative strides by the constructor': Reduced(
        np.ndarray, (4,), np.dtype('f8'), bytes(32), 0, (-(2**40),)
    ),
    'object array by its state': Reduced(
        *ARRAY, state=(1, (1,), np.dtype('O'), False, [1])
    ),
    'object array by raw bytes': Reduced(
        RECONSTRUCT,
        np.ndarray,
        (0,),
        b'b',
        state=(1, (1,), np.dtype('O'), False, ADDRESS),
    ),
    'fields by the state of a dtype': Reduced(
        np.dtype, 'f8', False, True, state=FIELDS
    ),
    'record dtype': np.zeros(2, [('a', 'f4'), ('b', 'O')]),
    'sub-array dtype': np.dtype(('f4', (2, 2))),
    'text array': np.array(['a']),
    'dtype of a word': Reduced(np.dtype, 'object'),
    'array larger than its bytes': Reduced(
        *ARRAY,
        state=(1, (2**40,), np.dtype('f8'), False, bytes(8)),
    ),
    'array of negative size': Reduced(
        *ARRAY,
        state=(1, (-1,), np.dtype('f8'), False, bytes(8)),
    ),
    'array without state': Reduced(RECONSTRUCT, np.ndarray, (2**20,), b'b'),
    'array of another class': Reduced(
        RECONSTRUCT,
        np.matrix,
        (0,),
        b'b',
        state=(1, (1,), np.dtype('f8'), False, ADDRESS),
    ),
    'boolean that is neither': Reduced(
        RECONSTRUCT,
        np.ndarray,
        (0,),
        b'b',
        state=(1, (1,), np.dtype('?'), False, b'\7'),
    ),
    'number of an object': Reduced(
        np.float64(0).__reduce__()[0], np.dtype('O'), ADDRESS
    ),
    'curve of lists': Reduced(
        HistoryBuffer, state=dict(_log_history=[1], _count_history=[1], max_length=9)
    ),
    'curve of two lengths': Reduced(
        HistoryBuffer,
        state=dict(_log_history=np.ones(2), _count_history=np.ones(1), max_length=9),
    ),
    'curve without state': Reduced(HistoryBuffer),
    'counter of a list': Reduced(Counter, [[1, [2]], 3]),
    'size of numbers below zero': Reduced(torch.Size, (-1,)),
    'sparse tensor': torch.eye(3).to_sparse(),
    'meta tensor': torch.empty(3, device='meta'),
    'quantised tensor': torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8),
    'tensor of another class': Reduced(
        torch._tensor._rebuild_from_type_v2,
        *(torch._utils._rebuild_tensor, np.ndarray, (), {}),
    ),
    'set of itself': Reduced(set, [[1]]),
}


@pytest.mark.parametrize('name', CRAFTED)
def test_crafted_objects_are_refused(tmp_path, name):
    path = save(dict(a=CRAFTED[name]), tmp_path / 'a.pth')
    with pytest.raises(ValueError, match='a.pth cannot be read as a check') as error:
        read_torch_file(path)
    assert '\n' not in str(error.value)
    assert len(str(error.value)) < 400 + len(path)


def test_lists_that_double_are_refused(tmp_path):
    doubled = ()
    for _ in range(40):
        doubled = (doubled, doubled)
    path = save(dict(a=doubled), tmp_path / 'a.pth')
    with pytest.raises(ValueError, match='a.pth cannot be .* holds a list of such a'):
        read_torch_file(path)
    shared = [list(range(1000))] * 1000
    assert read_torch_file(save(shared, tmp_path / 'b.pth')) == shared


def crafted_tensor(offset, size, stride, numel=4):
    """Pickle of a tensor in a storage of four floats, by torch's own function."""

    class Pickler(pickle.Pickler):
        def persistent_id(self, obj):
            if obj is STORAGE:
                return ('storage', torch.FloatStorage, '0', 'cpu', numel)

    file = io.BytesIO()
    pickler = Pickler(file, protocol=2)
    pickler.dump(
        Reduced(
            torch._utils._rebuild_tensor_v2,
            *(STORAGE, offset, size, stride, False, OrderedDict()),
        )
    )
    return file.getvalue()


STORAGE = object()


@pytest.mark.parametrize(
    ('offset', 'size', 'stride', 'numel'),
    [
        (0, (2, 2), (2, 1), 4),
        (0, (5,), (1,), 4),
        (1, (4,), (1,), 4),
        (-1, (2,), (1,), 4),
        (3, (2,), (-1,), 4),
        (0, (2,), (2**62,), 4),
        (0, (2**40,), (0,), 4),
        (0, (2,), (1, 1), 4),
        (0, (-2,), (1,), 4),
        (0, (1.0,), (1,), 4),
        (0, (8,), (1,), 8),
        (0, (1,), (1,), 2**62),
    ],
)
def test_tensors_lie_inside_their_storage(tmp_path, offset, size, stride, numel):
    pickled = crafted_tensor(offset, size, stride, numel)
    values = torch.arange(4.0)
    path = write_zip(tmp_path / 'a.pth', pickled, **{'0': values.numpy().tobytes()})
    if (offset, size) == (0, (2, 2)):
        assert torch.equal(read_torch_file(path), values.reshape(2, 2))
        return
    with pytest.raises(ValueError, match='a.pth cannot be read'):
        read_torch_file(path)


def test_an_expanded_tensor_is_told_from_one_that_is_damaged(tmp_path):
    path = tmp_path / 'a.pth'
    torch.save(torch.ones(1).expand(3), path)
    with pytest.raises(ValueError, match=r'an expanded tensor, .* after contiguous\('):
        read_torch_file(path)


OPCODES = dict(
    # whose hash overflows the stack
    deep_key=b'\x80\x02}' + b')' + b'\x85' * 1_000_000 + b'K\x01s.',
    deep_list=b'\x80\x02' + b']' * 100_000 + b'a' * 99_999 + b'.',
    # C's unpickler takes 64 GiB for it
    memo_index=b'\x80\x02Nr\xff\xff\xff\xff.',
    bytearray=b'\x80\x05\x96' + b'\xff' * 7 + b'\x7f.',
    extension=b'\x80\x02\x82\x01.',
    call_of_a_list=b'\x80\x02]q\x00h\x00h\x00R.',
    unfinished=b'\x80\x02(',
    empty=b'.',
    long_text=b'\x80\x02X\xff\xff\xff\xff.',
)
READ_ALL = """
import resource, sys
from m2ist_mm.checkpoints.torch_file import read_torch_file
limit = 6 << 30
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
for path in sys.argv[1:]:
    print('begin', path)
    try:
        print('read', read_torch_file(path))
    except ValueError as error:
        print(error)
"""


@pytest.mark.slow
def test_crafted_opcodes_do_no_harm(tmp_path):
    paths = [write_zip(tmp_path / name, OPCODES[name]) for name in OPCODES]
    done = subprocess.run(
        [sys.executable, '-c', READ_ALL, *paths],
        env={**os.environ, 'PYTHONPATH': os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout[-200:] + done.stderr[-2000:]
    lines = done.stdout.splitlines()
    lines = lines[lines.index(f'begin {paths[0]}') :]
    assert lines[::2] == [f'begin {path}' for path in paths]
    for path, line in zip(paths, lines[1::2], strict=True):
        if path.endswith('memo_index'):
            assert line == 'read None'
        else:
            assert line.startswith(f'{path} cannot be read as a checkpoint: ')
            assert len(line) < 400 + len(path)


# -- damage ----------------------------------------------------------------


@pytest.mark.parametrize('content', [b'', b'no checkpoint', b'PK\x03\x04cut off'])
def test_what_is_no_torch_file_is_named(tmp_path, content):
    path = tmp_path / 'damaged.pth'
    path.write_bytes(content)
    with pytest.raises(ValueError, match='damaged.pth cannot be read as a checkpoint'):
        read_torch_file(path)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match='there is no checkpoint file.*nope'):
        read_torch_file(tmp_path / 'nope.pth')


@pytest.mark.parametrize('new_format', [True, False])
def test_file_that_was_cut_off_is_named(tmp_path, new_format):
    path = tmp_path / 'cut.pth'
    save(dict(a=torch.rand(1000)), path, _use_new_zipfile_serialization=new_format)
    content = path.read_bytes()
    for length in (len(content) - 1000, len(content) - 1, 500):
        path.write_bytes(content[:length])
        with pytest.raises(ValueError, match='cut.pth cannot be read as a checkpoint'):
            read_torch_file(path)


def test_compressed_members_are_refused(tmp_path):
    path = tmp_path / 'a.pth'
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as archive:
        archive.writestr('archive/data.pkl', b'\x80\x02N.')
        archive.writestr('archive/data/0', bytes(1 << 20))
    with pytest.raises(ValueError, match='a zip file, but not one of torch'):
        read_torch_file(path)


def covered_by_checksums(path):
    """Places of the bytes of all members of a zip file."""
    content = path.read_bytes()
    places = []
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            start = content.index(archive.read(member), member.header_offset + 30)
            places += range(start, start + member.file_size)
    return places


def test_every_flipped_bit_in_pickle_or_tensors_is_found(tmp_path):
    path = tmp_path / 'a.pth'
    state = {f'layer{i}.weight': torch.randn(16, 8) for i in range(6)}
    save(dict(meta=dict(epoch=1), state_dict=state), path)
    content = path.read_bytes()
    spans = covered_by_checksums(path)
    assert len(spans) > 6 * 16 * 8 * 4
    generator = random.Random(0)
    for place in generator.sample(spans, 300):
        damaged = bytearray(content)
        damaged[place] ^= 1 << generator.randrange(8)
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match='a.pth cannot be read as a checkpoint'):
            read_torch_file(path)


def test_flipped_bits_anywhere_never_change_what_is_read(tmp_path):
    path = tmp_path / 'a.pth'
    weights = torch.randn(16, 8)
    save(dict(weights=weights), path)
    content = path.read_bytes()
    generator = random.Random(1)
    refused = 0
    for _ in range(300):
        damaged = bytearray(content)
        damaged[generator.randrange(len(content))] ^= 1 << generator.randrange(8)
        path.write_bytes(damaged)
        try:
            # only padding and dates are not covered by a checksum
            assert torch.equal(read_torch_file(path)['weights'], weights)
        except ValueError as error:
            assert 'a.pth cannot be read' in str(error)
            refused += 1
    assert refused > 100


@pytest.mark.parametrize('name', ['epoch_1.pth', 'epoch_1.resume.pth'])
def test_a_flipped_bit_in_either_file_of_a_save_stops_the_resume(
    make_runner, tmp_path, name
):
    make_runner(max_epochs=1).train()
    path = tmp_path / 'run' / name
    content = path.read_bytes()
    generator = random.Random(2)
    for place in generator.sample(covered_by_checksums(path), 8):
        damaged = bytearray(content)
        damaged[place] ^= 1 << generator.randrange(8)
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=f'{name} cannot be read as a checkpoint'):
            make_runner(max_epochs=2, resume=True).train()
    path.write_bytes(content)
    resumed = make_runner(max_epochs=2, resume=True)
    resumed.train()
    assert resumed.iter == 4
