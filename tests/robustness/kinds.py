"""The kinds of input: for each, how a case is made and which program reads it."""

import io
import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from mutations import (
    at,
    choose_place,
    crafted_pickle,
    in_torch_file,
    iter_places,
    mutate_bytes,
    mutate_tensor,
    mutate_tree,
)
from outcomes import NO_CHECKSUM, SENSIBLE, WRONG, Case
from PIL import Image
from world import (
    IMAGE,
    SENTENCES,
    World,
    find_boxes,
    read_dataset,
    resume,
    test,
    train,
)

# Gives the case, the run of it, and the run of the sound input.
Made = tuple[Case, Callable[[], tuple[int, Any]], Callable[[], tuple[int, Any]]]

# What a format needs; of other keys the dataset may do without, or with other values.
_NEEDED = {
    'rows.json': ('image', 'expression', 'bbox'),
    'rows.jsonl': ('image', 'expression', 'bbox'),
    'odvg.jsonl': 'filename height width grounding caption regions bbox'.split(),
    'mdetr.json': 'images annotations file_name width height caption image_id '
    'bbox'.split(),
    'transvg.pth': (0, 2, 3),
    'refs(unc).p': ('ann_id', 'image_id', 'sentences', 'sent'),
    'instances.json': 'images annotations file_name width height image_id bbox'.split(),
}

_TEXTS = ('expression', 'caption', 'sent', 3)


def annotations(name: str) -> Callable[[World, Random, Path], Made]:
    """Cases of an annotation file."""

    def make(world: World, random: Random, folder: Path) -> Made:
        case, content = _mutated_annotations(world, name, random, folder)
        path = folder / name
        path.write_bytes(content)
        config = world.dataset_config(name, folder)
        by_training = random.random() < 0.2

        def read_sound() -> tuple[int, Any]:
            path.write_bytes(_encode(name, world.formats[name]))
            return read_dataset(config, by_training=False)

        return case, lambda: read_dataset(config, by_training), read_sound

    return make


def _encode(name: str, content: Any) -> bytes:
    if name.endswith('.jsonl'):
        return b''.join(json.dumps(row).encode() + b'\n' for row in content)
    if name.endswith('.json'):
        return json.dumps(content).encode()
    if name.endswith('.pth'):
        file = io.BytesIO()
        torch.save(content, file)
        return file.getvalue()
    return pickle.dumps(content, protocol=2)


def _mutated_annotations(
    world: World, name: str, random: Random, folder: Path
) -> tuple[Case, bytes]:
    content = world.formats[name]
    names = (name, 'COCO_train2014')
    is_json = 'json' in name
    way = random.choice(('bytes', 'tree', 'tree', 'tree', 'other'))
    if way == 'bytes':
        damaged, what = mutate_bytes(_encode(name, content), random)
        # a text or a pickle cannot tell; half of a list of lines is a list of lines
        taken = WRONG if name.endswith('.pth') or damaged == b'' else NO_CHECKSUM
        return Case(what, names, taken), damaged
    if way == 'other' and is_json:
        encoding = random.choice(('utf-8-sig', 'utf-16', 'utf-32', 'latin-1'))
        text = _encode(name, content).decode('ascii')
        text = text.replace('\\u00e9', 'é')  # not escaped
        return Case(f'in {encoding}', names), text.encode(encoding)
    if way == 'other':
        ran = folder / 'ran'
        crafted, what = crafted_pickle(random, ran)
        if name.endswith('.pth') and random.random() < 0.7:
            crafted, what = in_torch_file(crafted), f'{what}, in a zip'
        return Case(what, names), crafted
    for _ in range(100):
        changed, path, what = mutate_tree(content, random)
        try:
            encoded = _encode(name, changed)
        except (TypeError, ValueError, OverflowError):
            continue  # the format cannot hold it
        last = next((key for key in reversed(path) if _is_key(name, key)), None)
        in_row = len(path) > (2 if isinstance(content, dict) else 1)
        dropped_row = not in_row and isinstance(path[-1], int)
        sound = what in ('drop', 'twice') and dropped_row
        # a box of three numbers is none, but a list of sentences may be shorter
        sound |= what in ('drop', 'twice') and path[-2:-1] == ('sentences',)
        # referents of other splits are not read, and what no expression names need
        # not be sound
        sound |= last not in _NEEDED[name] and in_row
        # as good a text as any
        sound |= last in _TEXTS and ('etc/passwd' in what or '[2J' in what)
        where = '.'.join(map(str, path))
        return Case(f'{what} at {where}', names, SENSIBLE if sound else WRONG), encoded
    raise AssertionError(f'{name}: no mutation')


def _is_key(name: str, key: str | int) -> bool:
    return isinstance(key, str) or (name == 'transvg.pth' and key in (0, 2, 3))


# -- images and expressions ------------------------------------------------


def images(world: World, random: Random, folder: Path) -> Made:
    """Cases of an image that is asked for boxes."""
    source = Image.open(world.data / 'train2014' / IMAGE).convert('RGB')
    ending = random.choice(('jpg', 'png', 'webp', 'bmp', 'tiff', 'gif'))
    sound, path = folder / f'sound.{ending}', folder / f'image.{ending}'
    source.save(sound)
    names = (path.name,)
    if random.random() < 0.6:
        damaged, what = mutate_bytes(sound.read_bytes(), random)
        path.write_bytes(damaged)
        case = Case(f'{ending}: {what}', names, NO_CHECKSUM)
    else:
        case = _other_image(source, sound, path, random)
    return (
        case,
        lambda: find_boxes(world.config, world.checkpoint, path),
        lambda: find_boxes(world.config, world.checkpoint, sound),
    )


def _other_image(source: Image.Image, sound: Path, path: Path, random: Random) -> Case:
    """Write the image in another way, or what is none."""
    turned = source.transpose(Image.Transpose.ROTATE_90)  # 6: turn it back
    exif = Image.Exif()
    exif[0x0112] = 6
    grey = np.asarray(source.convert('L'))
    ways = {
        'eps': lambda: source.save(path, format='EPS'),
        'floats': lambda: Image.fromarray(grey.astype(np.float32)).save(path, 'TIFF'),
        'text': lambda: path.write_text('<svg width="10"/>'),
        'a pdf': lambda: source.save(path, format='PDF'),
        'a folder': path.mkdir,
        'missing': lambda: None,
        'huge header': lambda: path.write_bytes(
            b'P6 60000 60000 255\n' + source.tobytes()
        ),
        'no pixels': lambda: path.write_bytes(b'P6 0 0 255\n'),
        'a pipe': lambda: os.mkfifo(path),
        'opaque RGBA': lambda: Image.open(sound).convert('RGBA').save(path, 'PNG'),
        'exif turned': lambda: turned.save(path, 'PNG', exif=exif),
        'other ending': lambda: Image.open(sound).convert('RGB').save(path, 'PNG'),
    }
    if path.suffix in ('.jpg', '.webp', '.gif'):
        del ways['exif turned']  # their pixels would not be the same
    way = random.choice(list(ways))
    ways[way]()
    # such as the name of the folder in which there is no image
    return Case(f'{way} as {path.suffix}', (path.name,))


def expressions(world: World, random: Random, folder: Path) -> Made:
    """Cases of a sentence that is asked for."""
    text = SENTENCES[0]
    equal = {
        'upper case': text.upper(),
        'blanks around': f'  {text}\t',
        'two blanks': text.replace(' ', '  '),
    }
    place = random.randrange(len(text) + 1)
    letter = chr(random.choice((random.randrange(32, 0xD800), 0x1F600, 0xE9, 0x4E2D)))
    other = {
        'inserted': f'{text[:place]}{letter}{text[place:]}',
        'long': 'left ' * random.choice((20, 190)),
        'emoji': '\U0001f600',
        'option': '- left',
        'image name': 'left.jpg',
    }
    refused = {
        'empty': '',
        'blank': ' \t\n',
        'nul': '\0\0',
        'control': '\x01\x02',
        'zero width': '\u200b\u200d\ufeff',
        'surrogate': 'left \ud83d block',
        'very long': 'left ' * 100_000,
    }
    way = random.choice(('inserted', *equal, *other, *refused))
    mutated = {**equal, **other, **refused}[way]
    taken = SENSIBLE if way in other else WRONG
    case = Case(f'{way}: {mutated[:30]!a}', ('expression', 'sentence', 'image'), taken)
    image = world.data / 'train2014' / IMAGE
    sentences = (mutated, SENTENCES[1])
    return (
        case,
        lambda: find_boxes(world.config, world.checkpoint, image, sentences),
        lambda: find_boxes(world.config, world.checkpoint, image),
    )


# -- checkpoints -----------------------------------------------------------


def checkpoints(world: World, random: Random, folder: Path) -> Made:
    """Cases of a checkpoint that boxes are found with."""
    image = world.data / 'train2014' / IMAGE
    path = folder / 'mutated.pth'
    case = _mutated_torch_file(world.checkpoint, path, random, folder)
    return (
        case,
        lambda: find_boxes(world.config, path, image),
        lambda: find_boxes(world.config, world.checkpoint, image),
    )


def resume_files(world: World, random: Random, folder: Path) -> Made:
    """Cases of the two files that a training resumes from."""
    for name in ('epoch_1.pth', 'epoch_1.resume.pth', 'last_checkpoint'):
        shutil.copy(world.folder / 'work_1' / name, folder)
    name = random.choice(('epoch_1.pth', *['epoch_1.resume.pth'] * 3))
    source = world.folder / 'work_1' / name
    case = _mutated_torch_file(source, folder / name, random, folder)
    return (
        case,
        lambda: resume(world.config, folder, 2),
        lambda: _sound_resume(world, folder),
    )


def _sound_resume(world: World, folder: Path) -> tuple[int, Any]:
    shutil.copytree(world.folder / 'work_1', folder / 'sound')
    return resume(world.config, folder / 'sound', 2)


def _mutated_torch_file(source: Path, path: Path, random: Random, folder: Path) -> Case:
    names = (path.name, 'epoch_1.pth', 'epoch_1.resume.pth')
    way = random.choice(('bytes', 'bytes', 'tensor', 'tree', 'tree', 'crafted'))
    if way == 'bytes':
        damaged, what = mutate_bytes(source.read_bytes(), random)
        path.write_bytes(damaged)
    elif way == 'crafted':
        crafted, what = crafted_pickle(random, folder / 'ran')
        if random.random() < 0.7:
            crafted, what = in_torch_file(crafted), f'{what}, in a zip'
        path.write_bytes(crafted)
    else:
        content = torch.load(source, weights_only=False)
        changed, what = _mutate_content(content, way, random)
        torch.save(changed, path)
    return Case(f'{path.name}: {what}', names)


def _mutate_content(content: dict, way: str, random: Random) -> tuple[Any, str]:
    if way == 'tree':
        changed, place, what = mutate_tree(content, random)
        return changed, f'{what} at {".".join(map(str, place))}'
    places = [
        place
        for place in iter_places(content)
        if isinstance(at(content, place), torch.Tensor)
    ]
    *parents, last = place = random.choice(places)
    owner = at(content, tuple(parents))
    owner[last], what = mutate_tensor(owner[last], random)
    return content, f'{what} tensor at {".".join(map(str, place))}'


# -- configs ---------------------------------------------------------------


def configs(world: World, random: Random, folder: Path) -> Made:
    """Cases of a config that is trained with."""
    path = folder / 'mutated.py'
    if random.random() < 0.2:
        damaged, what = mutate_bytes(world.config.read_bytes(), random)
        path.write_bytes(damaged)
        case = Case(what, (path.name, 'work_dir', '='), NO_CHECKSUM)
    else:
        options, place, what = mutate_tree(world.options, random)
        path.write_text(
            ''.join(f'{key} = {_source(v)}\n' for key, v in options.items())
        )
        where = '.'.join(map(str, place))
        value = what.partition(' ')[2].strip("'")
        names = (path.name, *(str(key) for key in place if isinstance(key, str)))
        names += (value,) if value else ()
        # at the top, a config may have variables of any name
        taken = WRONG if what == 'rename' and len(place) > 1 else SENSIBLE
        case = Case(f'{what} at {where}', names, taken)
    arguments = ('--cfg-options', 'train_cfg.max_epochs=1')
    return (
        case,
        lambda: (train(path, '--work-dir', 'work', *arguments), None),
        lambda: (0, 'another'),
    )


def _source(value: Any) -> str:
    """Python source of a value."""
    return repr(value).replace('nan', "float('nan')").replace('inf,', "float('inf'),")


def options(world: World, random: Random, folder: Path) -> Made:
    """Cases of --cfg-options of a training."""
    tree = {k: v for k, v in world.options.items() if k != '_base_'}
    case, option = _mutated_option(tree, random)
    arguments = ('--work-dir', 'work', '--cfg-options', 'train_cfg.max_epochs=1')
    return (
        case,
        lambda: (train(world.config, *arguments, option), None),
        lambda: (0, 'another'),
    )


def _mutated_option(tree: dict, random: Random) -> tuple[Case, str]:
    """An option that changes one place of a config, or is written wrong."""
    place = choose_place(tree, random)
    key = '.'.join(map(str, place))
    values = 'abc nan -1 1e400 [] {} None "" ( [1, "\'" True 99999999999999999999'
    value = random.choice(values.split())
    misspelt = {
        'misspelt': f'{key}x={value}',
        'no key': f'={value}',
        'no value': key,
        'dots': f'..{key}={value}',
        'below': f'{key}.deeper.still={value}',
        'custom_imports': 'custom_imports.imports=[os]',
    }
    way = random.choice(('value', 'value', *misspelt))
    option = misspelt.get(way, f'{key}={value}')
    parts = [part for part in key.split('.') if not part.isdigit()]
    names = ('--cfg-options', 'custom_imports', option, *parts)
    sensible = way in ('value', 'below') or (way == 'misspelt' and len(place) == 1)
    return Case(option, names, SENSIBLE if sensible else WRONG), option


# -- tests -----------------------------------------------------------------


def tests(world: World, random: Random, folder: Path) -> Made:
    """Cases of a checkpoint that is tested, or of an option of the test."""
    path, options = world.checkpoint, ()
    if random.random() < 0.5:
        path = folder / 'mutated.pth'
        case = _mutated_torch_file(world.checkpoint, path, random, folder)
    else:
        names = ('model', 'test_dataloader', 'test_evaluator')
        tree = {name: world.options[name] for name in names}
        case, option = _mutated_option(tree, random)
        options = ('--cfg-options', option)
    return (
        case,
        lambda: test(world.config, path, *options),
        lambda: test(world.config, world.checkpoint),
    )


KINDS: dict[str, Callable[[World, Random, Path], Made]] = {
    **{name: annotations(name) for name in _NEEDED},
    'image': images,
    'expression': expressions,
    'checkpoint': checkpoints,
    'resume file': resume_files,
    'config': configs,
    '--cfg-options': options,
    'test.py': tests,
}
