"""Reading of a pickle without calling anything that it names."""

import pickle
from dataclasses import dataclass, field
from typing import Any, BinaryIO


@dataclass(frozen=True)
class Name:
    """A global that a pickle names, such as ``'collections.OrderedDict'``."""

    path: str


@dataclass(eq=False)
class Call:
    """A call that a pickle asks for: recorded, not executed.

    Args:
        path: What is to be called.
        args: With these arguments.
        items: Keys and values that are set on the result.
        state: State that the result is given; ``None`` for none.
    """

    path: str
    args: tuple
    items: list[tuple] = field(default_factory=list)
    state: Any = None


STORAGE = 'storage'

# what builds numbers, text, tuples, lists and dicts, and looks them up again
_PLAIN_OPCODES = (
    *(pickle.PROTO, pickle.FRAME, pickle.STOP),
    *(pickle.MARK, pickle.POP, pickle.POP_MARK, pickle.DUP),
    *(pickle.NONE, pickle.NEWTRUE, pickle.NEWFALSE),
    *(pickle.BININT, pickle.BININT1, pickle.BININT2, pickle.LONG1, pickle.LONG4),
    *(pickle.BINFLOAT, pickle.BINSTRING, pickle.SHORT_BINSTRING),
    *(pickle.BINUNICODE, pickle.SHORT_BINUNICODE, pickle.BINUNICODE8),
    *(pickle.BINBYTES, pickle.SHORT_BINBYTES, pickle.BINBYTES8),
    *(pickle.EMPTY_TUPLE, pickle.TUPLE, pickle.TUPLE1, pickle.TUPLE2, pickle.TUPLE3),
    *(pickle.EMPTY_LIST, pickle.EMPTY_DICT),
    *(pickle.BINPUT, pickle.LONG_BINPUT, pickle.BINGET, pickle.LONG_BINGET),
    # of protocol 0
    *(pickle.INT, pickle.LONG, pickle.FLOAT, pickle.STRING, pickle.UNICODE),
    *(pickle.LIST, pickle.PUT, pickle.GET),
    *(pickle.MEMOIZE, pickle.GLOBAL, pickle.STACK_GLOBAL, pickle.BINPERSID),
)
_KEYS = (str, bytes, int, float, bool, type(None))


# Python's own and not the C one, which allocates as much as a file's memo index says
class InertUnpickler(pickle._Unpickler):
    """Unpickler that returns numbers, text, tuples, lists, dicts, names and calls.

    Names are not imported and calls are not made: :func:`allowed_objects.build` does
    that for those that it knows. A storage of torch becomes a call of ``'storage'``.

    Args:
        file: Where the pickle begins; stands behind it after ``load``.
        encoding: Of Python 2's byte strings; ``'bytes'`` leaves them as they are.
    """

    dispatch = {
        opcode[0]: pickle._Unpickler.dispatch[opcode[0]] for opcode in _PLAIN_OPCODES
    }

    def __init__(self, file: BinaryIO, encoding: str = 'utf-8') -> None:
        super().__init__(file, encoding=encoding)
        self.storages: list[Call] = []

    def find_class(self, module: str, name: str) -> Name:
        """The name itself, in the spelling of Python 3 and numpy 2."""
        if module == '__builtin__':
            module = 'builtins'
        return Name(f'{module}.{name}'.replace('numpy.core.', 'numpy._core.'))

    def persistent_load(self, pid: Any) -> Call:
        """Write down a storage."""
        if (
            type(pid) is not tuple
            or len(pid) < 5
            or pid[0] not in (STORAGE, b'storage')
        ):
            raise pickle.UnpicklingError('it asks for an object outside the file')
        self.storages.append(Call(STORAGE, pid[1:]))
        return self.storages[-1]

    def load_call(self) -> None:
        """Write down a call: REDUCE and NEWOBJ."""
        args, name = self.stack.pop(), self.stack.pop()
        if type(name) is not Name or type(args) is not tuple:
            raise pickle.UnpicklingError('it calls what is no name')
        self.append(Call(name.path, args))

    def load_state(self) -> None:
        """Write down the state of a call's result: BUILD."""
        state, call = self.stack.pop(), self.stack[-1]
        if type(call) is not Call or call.state is not None:
            raise pickle.UnpicklingError('it sets the state of a plain object')
        call.state = state

    def load_items(self) -> None:
        """Set keys and values: SETITEMS."""
        items = self.pop_mark()
        self._set_items(zip(items[::2], items[1::2], strict=True))

    def load_new_dict(self) -> None:
        """Make a dict of keys and values: DICT."""
        items = self.pop_mark()
        self.append({})
        self._set_items(zip(items[::2], items[1::2], strict=True))

    def load_item(self) -> None:
        """Set one key: SETITEM."""
        value, key = self.stack.pop(), self.stack.pop()
        self._set_items([(key, value)])

    def _set_items(self, items) -> None:
        target = self.stack[-1]
        for key, value in items:
            # hashing a tuple of a million tuples ends the process
            if type(key) not in _KEYS:
                raise pickle.UnpicklingError(f'it has a {type(key).__name__} as key')
            if type(target) is Call:
                target.items.append((key, value))
            elif type(target) is dict:
                target[key] = value
            else:
                raise pickle.UnpicklingError('it sets a key of what is no dict')

    def load_entries(self) -> None:
        """Extend a list: APPENDS."""
        entries = self.pop_mark()
        self._list().extend(entries)

    def load_entry(self) -> None:
        """Append to a list: APPEND."""
        entry = self.stack.pop()
        self._list().append(entry)

    def _list(self) -> list:
        if type(self.stack[-1]) is not list:
            raise pickle.UnpicklingError('it appends to what is no list')
        return self.stack[-1]

    dispatch[pickle.REDUCE[0]] = dispatch[pickle.NEWOBJ[0]] = load_call
    dispatch[pickle.BUILD[0]] = load_state
    dispatch[pickle.DICT[0]] = load_new_dict
    dispatch[pickle.SETITEMS[0]], dispatch[pickle.SETITEM[0]] = load_items, load_item
    dispatch[pickle.APPENDS[0]], dispatch[pickle.APPEND[0]] = load_entries, load_entry
