"""Seeded changes of sound inputs: of bytes, and of trees of lists, dicts and values."""

import copy
import io
import os
import pickle
import zipfile
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch

OTHER_TYPES = (None, 'abc', '', [], {}, [[]], -1.5, True, b'x')
EXTREMES = (
    float('nan'),
    float('inf'),
    -1e30,
    1e30,
    2**70,
    -(2**70),
    10**400,
)
STRANGE_TEXTS = (
    '',
    ' \t',
    '\0',
    '\u200b\u200d',
    '\ud83d',
    '\x1b[2J\r\n',
    '../../../etc/passwd',
)


def mutate_bytes(content: bytes, random: Random) -> tuple[bytes, str]:
    """Damage a file's content."""
    place = random.randrange(len(content))
    how = random.choice(('flip', 'flip', 'flip', 'cut', 'zeros', 'twice', 'empty'))
    if how == 'flip':
        bit = random.randrange(8)
        flipped = bytes([content[place] ^ 1 << bit])
        return content[:place] + flipped + content[place + 1 :], (
            f'bit {bit} of byte {place} flipped'
        )
    if how == 'cut':
        return content[:place], f'cut at byte {place}'
    if how == 'zeros':
        end = place + random.choice((1, 16, 512))
        zeros = bytes(len(content[place:end]))
        return content[:place] + zeros + content[end:], f'zeros at {place}:{end}'
    if how == 'twice':
        return content + content, 'content twice'
    return b'', 'empty file'


def iter_places(tree: Any, path: tuple = ()) -> Iterator[tuple]:
    """Places in a tree of dicts, lists and tuples: paths of keys, not the root."""
    if isinstance(tree, dict):
        children = tree.items()
    elif isinstance(tree, list | tuple):
        children = enumerate(tree)
    else:
        return
    for key, child in children:
        yield (*path, key)
        yield from iter_places(child, (*path, key))


def at(tree: Any, path: tuple) -> Any:
    """What stands at a place."""
    for key in path:
        tree = tree[key]
    return tree


def choose_place(tree: Any, random: Random) -> tuple:
    """Choose a place in a tree, going down a level at a time.

    So one seed chooses the same place though other branches differ from run to run.
    """
    path = ()
    while not path or random.random() < 0.85:
        node = at(tree, path)
        if not isinstance(node, dict | list | tuple) or not node:
            break
        keys = list(node) if isinstance(node, dict) else range(len(node))
        path = (*path, random.choice(keys))
    return path


def mutate_tree(tree: Any, random: Random) -> tuple[Any, tuple, str]:
    """Change one place of a tree.

    Returns:
        A changed copy, the place, and what was done there: 'drop', 'rename', 'twice',
        'type', 'extreme' or 'text', followed by the new value.
    """
    path = choose_place(tree, random)
    value = at(tree, path)
    ways = ['drop', 'type', 'type']
    if isinstance(path[-1], str):
        ways.append('rename')
    else:
        ways.append('twice')
    if isinstance(value, int | float):
        ways += ['extreme'] * 3
    if isinstance(value, str):
        ways += ['text'] * 3
    way = random.choice(ways)
    if way in ('drop', 'rename', 'twice'):
        new = random.choice((f'{path[-1]}x', str(path[-1])[:-1]))
        return _change(tree, path, way, new), path, way
    choices = dict(type=OTHER_TYPES, extreme=EXTREMES, text=STRANGE_TEXTS)[way]
    new = random.choice(
        [
            choice
            for choice in choices
            if type(choice) is not type(value)
            # of its own type, another value may be as good
            or (way != 'type' and choice != value)
        ]
    )
    return _change(tree, path, 'set', new), path, f'{way} {str(new)[:30]!r}'


def _change(tree: Any, path: tuple, way: str, new: Any) -> Any:
    """A copy of a tree with one place changed; tuples on the way stay tuples."""
    key = path[0]
    made = dict(tree) if isinstance(tree, dict) else list(tree)
    if len(path) > 1:
        made[key] = _change(tree[key], path[1:], way, new)
    elif way == 'set':
        made[key] = copy.deepcopy(new)
    elif way == 'twice':
        made.insert(key, made[key])
    else:
        value = made.pop(key)
        if way == 'rename':
            made[new] = value
    return tuple(made) if isinstance(tree, tuple) else made


def mutate_tensor(tensor: torch.Tensor, random: Random) -> tuple[Any, str]:
    """Put something else in a tensor's place."""
    way = random.choice(('nan', 'shape', 'int', 'array', 'sparse', 'none', 'meta'))
    if way == 'nan' and tensor.is_floating_point() and tensor.numel():
        tensor = tensor.clone()
        tensor.view(-1)[random.randrange(tensor.numel())] = float('nan')
        return tensor, way
    changed = dict(
        shape=lambda: torch.cat([tensor.reshape(-1), tensor.reshape(-1)]),
        int=lambda: tensor.long() if tensor.is_floating_point() else tensor.float(),
        array=lambda: np.asarray(['a', None], dtype=object),
        sparse=lambda: tensor.to_sparse(),
        none=lambda: None,
        meta=lambda: tensor.to('meta'),
    )
    way = way if way in changed else 'none'
    return changed[way](), way


class _Call:
    """Pickles to a call of a function."""

    def __init__(self, function: Any, *args: Any) -> None:
        self._call = function, args

    def __reduce__(self) -> tuple:
        return self._call


def crafted_pickle(random: Random, ran: Path) -> tuple[bytes, str]:
    """A pickle made to do harm: run code (which makes the file ``ran``), or crash."""
    crafts = {
        'os.system': pickle.dumps(_Call(os.system, f'touch {ran}'), 2),
        'exec': pickle.dumps(_Call(exec, f'open({str(ran)!r}, "w")'), 4),
        'object array': b'\x80\x02cnumpy\nndarray\n(K\x01\x85cnumpy\ndtype\n'
        b'X\x01\x00\x00\x00O\x85RC\x08AAAAAAAAtR.',
        'deep': b'\x80\x02' + b']' * 200_000 + b'a' * 199_999 + b'.',
        'doubling': b'\x80\x02](q\x00' + b'h\x00h\x00\x86q\x00' * 40 + b'.',
        'memo': b'\x80\x02h\x63.',
        'no stop': b'\x80\x02]q\x00',
        'long': b'\x80\x02\x8b\xff\xff\xff\x7f1.',
        'persistent': b'\x80\x02X\x01\x00\x00\x00aQ.',
    }
    name = random.choice(list(crafts))
    return crafts[name], f'crafted pickle: {name}'


def in_torch_file(content: bytes) -> bytes:
    """A torch file (zip) that holds a pickle."""
    file = io.BytesIO()
    torch.save({}, file)
    made = io.BytesIO()
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(made, 'w') as new:
        for name in old.namelist():
            is_pickle = name.endswith('data.pkl')
            new.writestr(name, content if is_pickle else old.read(name))
    return made.getvalue()
