import pickle

from torch._utils import ExceptionWrapper

from m2ist_mm.datasets import DatasetError


def test_message_shows_the_first_five_and_counts_the_others():
    error = DatasetError([f'file: fault {number}' for number in range(8)])
    assert str(error).splitlines()[:5] == [f'file: fault {n}' for n in range(5)]
    assert '3 more' in str(error)
    assert len(error.faults) == 8


def test_one_fault_needs_no_list():
    error = DatasetError('a.json: holds "DatasetError: no"\n')
    assert error.faults == [r'a.json: holds "DatasetError: no"\n']


def test_worker_error_arrives_as_the_fault_alone():
    try:
        raise DatasetError(['a.jpg (sent_id 3): broken'])
    except DatasetError:
        wrapped = ExceptionWrapper(where='in DataLoader worker process 0')
    try:
        wrapped.reraise()
    except DatasetError as error:
        assert str(error) == 'a.jpg (sent_id 3): broken'


def test_error_survives_pickling():
    error = pickle.loads(pickle.dumps(DatasetError(['one', 'two'])))
    assert str(error) == 'one\ntwo'


def test_names_that_break_lines_are_escaped():
    error = DatasetError(['a\nb\x1b[0m\ud800\u200b: caf\u00e9'])
    assert str(error) == r'a\nb\x1b[0m\ud800\u200b: caf\u00e9'.replace(
        r'\u00e9', '\u00e9'
    )
