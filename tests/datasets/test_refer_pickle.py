import os
import pickle
import struct
import tracemalloc

import numpy as np
import pytest

from m2ist_mm.datasets import DatasetError, load_refs

REF = {
    'sent_ids': [7],
    'file_name': 'COCO_train2014_000000000001_3.jpg',
    'ann_id': 3,
    'ref_id': 5,
    'image_id': 1,
    'split': 'train',
    'sentences': [
        {'tokens': ['left', 'dog'], 'raw': 'Left dog', 'sent_id': 7, 'sent': 'left dog'}
    ],
    'category_id': 18,
}


def python2_pickle(value, protocol):
    """Pickle as Python 2 did: its str is a byte string."""

    def body(value):
        if isinstance(value, (str, bytes)):
            data = value.encode() if isinstance(value, str) else value
            if protocol == 0:
                return b'S' + repr(data)[1:].encode() + b'\n'
            return b'U' + bytes([len(data)]) + data
        if isinstance(value, int):
            if protocol == 0:
                return b'I%d\n' % value
            return b'J' + struct.pack('<i', value)
        if isinstance(value, list):
            if protocol == 0:
                return b'(l' + b''.join(body(item) + b'a' for item in value)
            return b'](' + b''.join(map(body, value)) + b'e'
        pairs = [body(key) + body(item) for key, item in value.items()]
        if protocol == 0:
            return b'(d' + b''.join(pair + b's' for pair in pairs)
        return b'}(' + b''.join(pairs) + b'u'

    return (b'' if protocol == 0 else b'\x80\x02') + body(value) + b'.'


@pytest.fixture
def refs_file(tmp_path):
    def write(content):
        path = tmp_path / 'refs(unc).p'
        path.write_bytes(content)
        return path

    return write


@pytest.mark.parametrize('protocol', [0, 2])
def test_python2_byte_strings_are_decoded(refs_file, protocol):
    content = python2_pickle([REF], protocol)
    loaded = pickle.loads(content, encoding='bytes')
    assert b'ref_id' in loaded[0]  # the test's own pickle has byte strings

    (ref,) = load_refs(refs_file(content))
    assert ref['ref_id'] == 5
    assert ref['split'] == 'train'
    assert ref['sentences'][0]['sent'] == 'left dog'


def test_python3_files_are_read(refs_file):
    assert load_refs(refs_file(pickle.dumps([REF]))) == [REF]


@pytest.mark.parametrize(
    ('data', 'text'),
    [('café'.encode(), 'café'), ('café'.encode('latin1'), 'café'), (b'\x99', '\x99')],
)
def test_bytes_beyond_ascii_are_decoded(refs_file, data, text):
    ref = {**REF, 'sentences': [{'sent_id': 1, 'sent': data}]}
    (ref,) = load_refs(refs_file(python2_pickle([ref], 2)))
    assert ref['sentences'][0]['sent'] == text


class Bomb:
    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


def bombs(command):
    line = command.encode()
    yield pickle.dumps([Bomb(command)], protocol=0)
    yield pickle.dumps([Bomb(command)], protocol=2)
    yield pickle.dumps([Bomb(command)], protocol=4)
    yield b"(S'%s'\nios\nsystem\n." % line  # INST
    yield b"(cos\nsystem\nS'%s'\no." % line  # OBJ
    yield b"cos\nsystem\n(S'%s'\ntR." % line  # REDUCE
    yield b'P0\n.'  # persistent id
    yield b"cbuiltins\neval\n(S'1'\ntR."
    yield b'\x80\x02\x82\x01.'  # extension registry


@pytest.mark.parametrize('number', range(9))
def test_pickle_bomb_runs_nothing(refs_file, tmp_path, number):
    trace = tmp_path / 'trace'
    content = list(bombs(f'touch {trace}'))[number]
    path = refs_file(content)
    with pytest.raises(DatasetError, match='not a REFER file') as caught:
        load_refs(path)
    assert str(path) in str(caught.value)
    assert not trace.exists()


def test_an_index_of_the_memo_takes_no_memory(refs_file):
    """C's unpickler makes a table as long as the highest index, of 8 bytes each."""
    content = python2_pickle([REF], 2)
    last = b'r' + struct.pack('<I', 2**31) + b'.'
    path = refs_file(content[:-1] + last)
    tracemalloc.start()
    assert len(load_refs(path)) == 1
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


def test_bombs_are_live(tmp_path):
    """Without the guard the first bomb does go off, so the test above can fail."""
    trace = tmp_path / 'trace'
    pickle.loads(next(bombs(f'touch {trace}')))
    assert trace.exists()


def test_truncated_file_is_one_error(refs_file):
    path = refs_file(python2_pickle([REF], 0)[:-40])
    with pytest.raises(DatasetError, match=r'refs\(unc\)\.p: not a REFER file'):
        load_refs(path)


def test_missing_file_names_the_remedy(tmp_path):
    with pytest.raises(DatasetError, match='no such file.*data_root'):
        load_refs(tmp_path / 'refs(unc).p')


@pytest.mark.parametrize(
    ('ref', 'message'),
    [
        ('text', 'entry 1: is a str, not a dict'),
        ({k: v for k, v in REF.items() if k != 'ann_id'}, "entry 1: has no 'ann_id'"),
        ({**REF, 'ref_id': 'five'}, "entry 1: its 'ref_id' is 'five', not a int"),
        ({**REF, 'sentences': [{'sent_id': 1}]}, "entry 1: has no 'sent'"),
    ],
)
def test_malformed_entry_is_named(refs_file, ref, message):
    with pytest.raises(DatasetError, match=message):
        load_refs(refs_file(pickle.dumps([REF, ref])))


def test_file_that_is_no_list_is_refused(refs_file):
    with pytest.raises(DatasetError, match='holds a dict, not a list'):
        load_refs(refs_file(pickle.dumps({'refs': []})))


@pytest.mark.parametrize('protocol', range(6))
@pytest.mark.parametrize('kind', [np.int32, np.int64, np.uint8, np.float64, '>i4'])
def test_numbers_of_numpy_are_read(refs_file, protocol, kind):
    number = np.dtype(kind).type(5)
    ref = {**REF, 'ref_id': number, 'sentences': [{'sent_id': number, 'sent': 'dog'}]}
    content = pickle.dumps([ref], protocol)
    assert b'scalar' in content
    (read,) = load_refs(refs_file(content))
    assert read['ref_id'] == read['sentences'][0]['sent_id'] == 5
    assert type(read['ref_id']) is int


def test_numbers_of_numpy_1_are_read(refs_file):
    content = pickle.dumps([{**REF, 'ref_id': np.int64(5)}], 2)
    old = content.replace(b'numpy._core.multiarray', b'numpy.core.multiarray')
    assert old != content
    assert load_refs(refs_file(old))[0]['ref_id'] == 5


def numpy_bombs():
    scalar, dtype = b'cnumpy.core.multiarray\nscalar\n', b'cnumpy\ndtype\n'
    yield b"%s(S'O8'\ntR." % dtype  # objects
    yield b"%s(S'V8'\ntR." % dtype
    yield b"%s(%s(S'i8'\ntRS'short'\ntR." % (scalar, dtype)
    yield b"%s(I5\nS'abcdefgh'\ntR." % scalar
    yield b"%s(dS'a'\nI5\nsb." % scalar  # changes the function itself
    yield b"%s(dS'code'\nI5\nsb." % dtype
    yield b'cnumpy\nndarray\n(I1\ntR.'
    yield pickle.dumps(np.zeros(3))
    yield pickle.dumps(np.array([{}]))


@pytest.mark.parametrize('number', range(9))
def test_other_values_of_numpy_are_refused(refs_file, number):
    with pytest.raises(DatasetError, match='not a REFER file'):
        load_refs(refs_file(list(numpy_bombs())[number]))
    assert load_refs(refs_file(pickle.dumps([{**REF, 'ref_id': np.int64(5)}])))


def test_surrogates_are_refused(refs_file):
    ref = {**REF, 'sentences': [{'sent_id': 1, 'sent': 'a \ud83d'}]}
    with pytest.raises(DatasetError, match='entry 0: .*half of a surrogate pair'):
        load_refs(refs_file(pickle.dumps([ref])))
