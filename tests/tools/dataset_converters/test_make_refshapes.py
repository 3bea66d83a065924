"""RefShapes is judged here by a reader of its own: text and boxes, no generator."""

import importlib.util
import io
import json
import math
import pickle
import re
import sys
from collections import Counter, defaultdict
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmdet.registry import DATASETS

from m2ist_mm.config import load_config_file

ROOT = Path(__file__).resolve().parents[3]
TOOL = ROOT / 'tools' / 'dataset_converters' / 'make_refshapes.py'
SIZE = 160
SMALL = dict(train_images=60, val_images=12, test_images=12)


def load_tool():
    spec = importlib.util.spec_from_file_location('make_refshapes', TOOL)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


tool = load_tool()


class NoGlobals(pickle.Unpickler):
    def find_class(self, module, name):
        raise pickle.UnpicklingError(f'{module}.{name}')


def read(root):
    instances = json.loads((root / 'refshapes' / 'instances.json').read_text())
    data = (root / 'refshapes' / 'refs(unc).p').read_bytes()
    return instances, NoGlobals(io.BytesIO(data)).load()


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    out = tmp_path_factory.mktemp('data') / 'refshapes'
    assert tool.make_refshapes(out, **SMALL)
    return out


@pytest.fixture(scope='module')
def data(root):
    return read(root)


def objects_by_image(instances):
    names = {c['id']: c['name'].split() for c in instances['categories']}
    scenes = defaultdict(list)
    for a in instances['annotations']:
        colour, kind = names[a['category_id']]
        x, y, w, h = a['bbox']
        scenes[a['image_id']].append(
            dict(
                id=a['id'],
                words={colour, kind, a['texture']},
                x=x + w / 2,
                y=y + h / 2,
                side=max(w, h),
                area=w * h,
            )
        )
    return scenes


# ------------------------------------------------- a reader of the expressions

SIDES = {
    'left': lambda o: o['x'],
    'right': lambda o: -o['x'],
    'top': lambda o: o['y'],
    'bottom': lambda o: -o['y'],
}
BEST = {
    'leftmost': SIDES['left'],
    'far left': SIDES['left'],
    'rightmost': SIDES['right'],
    'far right': SIDES['right'],
    'highest': SIDES['top'],
    'topmost': SIDES['top'],
    'lowest': SIDES['bottom'],
    'biggest': lambda o: -o['area'],
    'largest': lambda o: -o['area'],
    'smallest': lambda o: o['area'],
    'tiniest': lambda o: o['area'],
}
BESIDE = {
    'left of': 'left',
    'to the left of': 'left',
    'right of': 'right',
    'to the right of': 'right',
    'above': 'top',
    'higher than': 'top',
    'below': 'bottom',
    'under': 'bottom',
    'lower than': 'bottom',
}
NOUN_WORDS = {
    *'circle square triangle star cross ring'.split(),
    *'red green blue yellow purple orange pink white'.split(),
    *'plain striped dotted'.split(),
}


def having(noun, scene):
    """Objects of a scene that a noun phrase describes."""
    noun = noun.replace('with stripes', 'striped').replace('with dots', 'dotted')
    found = list(scene)
    for word in noun.replace('that is', '').split():
        if word in ('small', 'little'):
            found = [o for o in found if o['side'] <= 24]
        elif word in ('big', 'large'):
            found = [o for o in found if o['side'] >= 34]
        elif word in NOUN_WORDS:
            found = [o for o in found if word in o['words']]
        else:
            assert word in ('thing', 'object', 'shape', 'one'), noun
    return found


def ranked(noun, scene, key):
    return sorted(having(noun, scene), key=key)


def understand(kind, text, scene):
    """Objects that an expression means, all margins left out."""
    text = text.removeprefix('the ')
    if kind == 'attribute':
        return having(text, scene)
    if kind == 'order':
        rank = ['first', 'second', 'third', 'fourth'].index(
            re.search(r'second|third|fourth', text)[0]
        )
        noun, side = re.fullmatch(
            r'(?:second |third |fourth )?(.+?)'
            r'(?: that is \w+| counting)? from the (\w+)',
            text,
        ).groups()
        return ranked(noun, scene, SIDES[side])[rank : rank + 1]
    if kind == 'superlative':
        far = re.fullmatch(r'(.+) (?:farthest|nearest) to the (\w+)', text)
        if far:
            return ranked(far[1], scene, SIDES[far[2]])[:1]
        word = next(w for w in BEST if text.startswith(w))
        return ranked(text.removeprefix(word), scene, BEST[word])[:1]
    if kind == 'place':
        if ' in the middle' in text:
            found = having(text.split(' in the middle')[0], scene)
            return [
                o for o in found if max(abs(o[a] - SIZE / 2) for a in 'xy') < SIZE * 0.2
            ]
        where = r'((?:top |bottom )?(?:left|right)|top|bottom)'
        after = rf'(.+) (?:on|in|at|near) the {where}(?: side| corner)?'
        m = re.fullmatch(after, text)
        noun, place = (
            m.groups() if m else re.match(rf'{where} (.+)', text).groups()[::-1]
        )
        middle = dict(x=SIZE / 2, y=SIZE / 2)
        return [
            o
            for o in having(noun, scene)
            if all(SIDES[w](o) < SIDES[w](middle) for w in place.split())
        ]
    between = re.fullmatch(r'(.+) between the (.+) and the (.+)', text)
    if between:
        noun, *others = between.groups()
        (a,), (b,) = (having(n, scene) for n in others)
        return [o for o in having(noun, scene) if is_between(o, a, b)]
    nearest = re.fullmatch(r'(.+) (?:closest|nearest) to the (.+)', text)
    if nearest:
        (a,) = having(nearest[2], scene)
        near = ranked(nearest[1], scene, lambda o: distance(o, a))
        return [o for o in near if o is not a][:1]
    words = '|'.join(sorted(BESIDE, key=len, reverse=True))
    noun, relation, anchor = re.fullmatch(rf'(.+?) ({words}) the (.+)', text).groups()
    (a,) = having(anchor, scene)
    key = SIDES[BESIDE[relation]]
    return [o for o in having(noun, scene) if key(o) < key(a)]


def distance(a, b):
    return math.hypot(a['x'] - b['x'], a['y'] - b['y'])


def is_between(o, a, b):
    """Inside the circle whose diameter joins the two, and near the diameter."""
    if o is a or o is b:
        return False
    detour = distance(o, a) + distance(o, b)
    return detour < 1.2 * distance(a, b)


def test_every_expression_names_its_referent_alone(data):
    instances, refs = data
    scenes = objects_by_image(instances)
    checked = Counter()
    for ref in refs:
        for s in ref['sentences']:
            found = understand(s['kind'], s['sent'], scenes[ref['image_id']])
            assert [o['id'] for o in found] == [ref['ann_id']], (ref, s)
            checked[s['kind']] += 1
    assert min(checked.values()) > 150, checked
    assert len(checked) == 5


def test_places_orders_superlatives_and_relations_are_needed(data):
    """Attributes alone name more than one object in those kinds of expression."""
    instances, refs = data
    scenes = objects_by_image(instances)
    for ref in refs:
        for s in ref['sentences']:
            if s['kind'] in ('order', 'superlative'):
                words = ' '.join(w for w in s['tokens'] if w in NOUN_WORDS)
                assert len(having(words, scenes[ref['image_id']])) > 1, s


@pytest.mark.parametrize(
    'spec, xs, expected',
    [
        # leftmost of two squares: 20 px ahead is clear, 3 px is not
        (('superlative', 'left'), (40, 60), 1),
        (('superlative', 'left'), (40, 43), 2),
        # on the left: the other is on the right, or nearly in the middle
        (('place', 'left'), (40, 120), 1),
        (('place', 'left'), (40, 85), 2),
        (('place', 'left'), (75, 120), None),
        # second from the left: with or without a gap to the third
        (('order', 'left', 2), (20, 60, 100), 1),
        (('order', 'left', 2), (20, 60, 64), 2),
    ],
)
def test_doubtful_meanings_match_more_than_one_or_none(spec, xs, expected):
    shapes = tuple(
        tool.Shape('square', 'red', 'plain', (x - 10, 20 + 40 * i, 20, 20))
        for i, x in enumerate(xs)
    )
    scene = tool.Scene(SIZE, shapes)
    meaning = tool.Spec(spec[0], tool.Noun(kind='square'), *spec[1:])
    strict, wide = (tool.matches(meaning, scene, s) for s in (True, False))
    if expected is None:
        assert strict == [] and len(wide) == 1
    else:
        assert len(wide) == expected
    safe = any(tool.names_only(meaning, scene, s) for s in shapes)
    assert safe == (expected == 1)


def test_size_counts_only_with_a_clear_lead():
    def biggest(*sides):
        shapes = tuple(
            tool.Shape('star', 'red', 'plain', (10 + 50 * i, 10, s, s))
            for i, s in enumerate(sides)
        )
        scene = tool.Scene(SIZE, shapes)
        spec = tool.Spec('superlative', tool.Noun(kind='star'), 'biggest')
        return len(tool.matches(spec, scene, True))

    assert biggest(20, 30, 40) == 1
    assert biggest(20, 37, 40) == 2


# ------------------------------------------------------------ layout and splits


def test_layout_and_keys_are_those_of_refcoco(root, data):
    instances, refs = data
    images = {i['id']: i for i in instances['images']}
    annotations = {a['id']: a for a in instances['annotations']}
    assert len(instances['categories']) == 48
    assert {p.name for p in (root / 'train2014').iterdir()} == {
        i['file_name'] for i in images.values()
    }
    assert [r['ref_id'] for r in refs] == list(range(len(refs)))
    sent_ids = []
    for ref in refs:
        annotation = annotations[ref['ann_id']]
        assert annotation['image_id'] == ref['image_id']
        assert annotation['category_id'] == ref['category_id']
        stem = images[ref['image_id']]['file_name'].removesuffix('.jpg')
        assert ref['file_name'] == f'{stem}_{ref["ann_id"]}.jpg'
        assert ref['sent_ids'] == [s['sent_id'] for s in ref['sentences']]
        assert 1 <= len(ref['sentences']) <= 4
        for s in ref['sentences']:
            assert s['tokens'] == s['sent'].split() and s['raw'] == s['sent']
            assert s['sent'] == s['sent'].lower() and len(s['tokens']) <= 16
        sent_ids += ref['sent_ids']
    assert sent_ids == list(range(len(sent_ids)))


def test_detection_files_hold_one_split_each_by_texture_colour_and_kind(root, data):
    instances, refs = data
    colour_kind = {c['id']: c['name'] for c in instances['categories']}
    whole = {a['id']: a for a in instances['annotations']}
    for split in ('train', 'val'):
        path = root / 'refshapes' / f'detection_{split}.json'
        detection = json.loads(path.read_text())
        of_split = {ref['image_id'] for ref in refs if ref['split'] == split}
        assert {image['id'] for image in detection['images']} == of_split
        assert len(detection['annotations']) == sum(
            a['image_id'] in of_split for a in whole.values()
        )
        names = {c['id']: c['name'] for c in detection['categories']}
        assert len(set(names.values())) == 144
        for shape in detection['annotations']:
            same = whole[shape['id']]
            expected = f'{same["texture"]} {colour_kind[same["category_id"]]}'
            assert names[shape['category_id']] == expected
            assert shape['bbox'] == same['bbox']


def test_no_expression_is_repeated_within_a_scene(data):
    texts = Counter(
        (ref['image_id'], s['sent']) for ref in data[1] for s in ref['sentences']
    )
    assert max(texts.values()) == 1


def test_kinds_of_expression_are_mixed_as_planned(data):
    kinds = Counter(s['kind'] for ref in data[1] for s in ref['sentences'])
    for kind, share in tool.EXPRESSION_MIX.items():
        assert abs(kinds[kind] / sum(kinds.values()) - share) < 0.03, kinds


def test_splits_have_their_images_and_share_no_scene(root, data):
    instances, refs = data
    images = defaultdict(set)
    for ref in refs:
        images[ref['split']].add(ref['image_id'])
    assert {k: len(v) for k, v in images.items()} == {
        'train': 60,
        'val': 12,
        'testA': 12,
        'testB': 12,
    }
    # No two images at all are of one scene, whatever their ids.
    boxes = defaultdict(list)
    for a in instances['annotations']:
        boxes[a['image_id']].append((a['category_id'], *a['bbox']))
    assert len({tuple(b) for b in boxes.values()}) == len(instances['images']) == 96
    pixels = {p.read_bytes() for p in (root / 'train2014').iterdir()}
    assert len(pixels) == 96


def test_held_out_combinations_are_the_referents_of_testb_and_nowhere_else(data):
    instances, refs = data
    names = {c['id']: c['name'] for c in instances['categories']}
    split = {ref['image_id']: ref['split'] for ref in refs}
    shown = defaultdict(set)
    for a in instances['annotations']:
        shown[split[a['image_id']]].add(names[a['category_id']])
    named = {names[r['category_id']] for r in refs if r['split'] == 'testB'}
    held_out = {f'{colour} {kind}' for kind, colour in tool.HELD_OUT}
    assert len(held_out) == 6
    assert named == held_out
    for other in ('train', 'val', 'testA'):
        assert not shown[other] & held_out
    # Each kind and each colour is still seen in train, in other company.
    words = {w for name in shown['train'] for w in name.split()}
    assert words == NOUN_WORDS - {'plain', 'striped', 'dotted'}


def test_testa_is_more_crowded_than_val(data):
    instances, refs = data
    split = {ref['image_id']: ref['split'] for ref in refs}
    numbers = defaultdict(list)
    for image, objects in objects_by_image(instances).items():
        numbers[split[image]].append(len(objects))
    assert set(numbers['val']) <= set(range(4, 9))
    assert set(numbers['testA']) <= set(range(7, 10))


# ----------------------------------------------------------------------- boxes


def test_boxes_lie_inside_and_hardly_overlap(data):
    boxes = defaultdict(list)
    for a in data[0]['annotations']:
        x, y, w, h = a['bbox']
        assert 0 < x and 0 < y and x + w < SIZE and y + h < SIZE
        assert 12 <= max(w, h) <= 64
        assert a['area'] == w * h
        boxes[a['image_id']].append((x, y, x + w, y + h))
    for group in boxes.values():
        for i, a in enumerate(group):
            for b in group[:i]:
                w = min(a[2], b[2]) - max(a[0], b[0])
                h = min(a[3], b[3]) - max(a[1], b[1])
                both = max(w, 0) * max(h, 0)
                areas = [(c[2] - c[0]) * (c[3] - c[1]) for c in (a, b)]
                assert both / (sum(areas) - both) <= 0.05


def test_boxes_are_tight_on_the_colour_in_a_written_image(tmp_path):
    """Without clutter, a line of which may touch a shape in its very colour."""
    plan = tool.SplitPlan('clean', 1, (4, 8), 0, False)
    errors = []
    for seed in range(60):
        scene, drawn = tool.draw_scene(plan, SIZE, np.random.default_rng(seed))
        tool.write_image(tmp_path / 'scene.jpg', drawn)
        pixels = cv2.imread(str(tmp_path / 'scene.jpg'))[..., ::-1].astype(int)
        for shape in scene.shapes:
            x, y, w, h = shape.box
            left, top = max(x - 4, 0), max(y - 4, 0)
            frame = (left, top, x + w + 4, y + h + 4)
            if any(meets(frame, s.box) for s in scene.shapes if s is not shape):
                continue
            window = pixels[top : frame[3], left : frame[2]]
            colour = np.array(tool.COLOURS[shape.colour][0])
            ground = np.median(np.concatenate([window[0], window[-1]]), axis=0)
            reach = np.linalg.norm(ground - colour) / 2
            mask = np.linalg.norm(window - colour, axis=-1) < reach
            # The largest patch: a rim of plain colour joins every shape.
            labels, stats = cv2.connectedComponentsWithStats(mask.astype(np.uint8))[1:3]
            largest = 1 + stats[1:, cv2.CC_STAT_AREA].argmax()
            rows, columns = np.nonzero(labels == largest)
            seen = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
            errors.append(
                np.abs(np.add(seen, (left, top) * 2) - (x, y, x + w, y + h)).max()
            )
    assert len(errors) > 150
    assert np.max(errors) <= 1, sorted(errors)[-10:]


def meets(frame, bbox):
    x, y, w, h = bbox
    return x < frame[2] and x + w > frame[0] and y < frame[3] and y + h > frame[1]


# ------------------------------------------------------------------ the command


def contents(root):
    return {p.name: p.read_bytes() for p in root.rglob('*') if p.is_file()}


def test_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path):
    few = dict(train_images=6, val_images=2, test_images=2)
    for name, seed in (('a', 3), ('b', 3), ('c', 4)):
        tool.make_refshapes(tmp_path / name, seed=seed, **few)
    a, b, c = (contents(tmp_path / name) for name in 'abc')
    assert a == b
    assert not any(a[name] == c[name] for name in a)


def test_a_scene_does_not_depend_on_how_many_are_drawn(root, tmp_path):
    tool.make_refshapes(tmp_path / 'few', train_images=3, val_images=1, test_images=1)
    for n in (1, 2, 3):
        name = f'train2014/COCO_train2014_{n:012d}.jpg'
        assert (tmp_path / 'few' / name).read_bytes() == (root / name).read_bytes()


def test_same_parameters_again_return_at_once(root, capsys):
    before = {p: p.stat().st_mtime_ns for p in root.rglob('*')}
    assert not tool.make_refshapes(root, **SMALL)
    assert 'already made' in capsys.readouterr().out
    assert {p: p.stat().st_mtime_ns for p in root.rglob('*')} == before


def test_other_parameters_are_refused_unless_overwriting(tmp_path):
    out = tmp_path / 'out'
    few = dict(train_images=2, val_images=1, test_images=1)
    tool.make_refshapes(out, **few)
    before = contents(out)
    with pytest.raises(FileExistsError, match='--overwrite'):
        tool.make_refshapes(out, seed=1, **few)
    assert contents(out) == before
    assert tool.make_refshapes(out, seed=1, overwrite=True, **few)
    assert contents(out) != before
    assert [p.name for p in tmp_path.iterdir()] == ['out']


@pytest.mark.parametrize('overwrite', [False, True])
def test_a_folder_of_something_else_is_never_touched(tmp_path, overwrite):
    (tmp_path / 'mine.txt').write_text('mine')
    with pytest.raises(FileExistsError, match='not RefShapes'):
        tool.make_refshapes(tmp_path, overwrite=overwrite)
    assert contents(tmp_path) == {'mine.txt': b'mine'}


def test_an_interrupted_run_leaves_nothing(tmp_path, monkeypatch):
    written = []

    def stop_at_third(path, pixels):
        written.append(path)
        if len(written) == 3:
            raise KeyboardInterrupt
        path.write_bytes(b'')

    monkeypatch.setattr(tool, 'write_image', stop_at_third)
    with pytest.raises(KeyboardInterrupt):
        tool.make_refshapes(tmp_path / 'out', **SMALL)
    assert len(written) == 3
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    'option, value',
    [
        ('seed', -1),
        ('train_images', 0),
        ('val_images', -5),
        ('test_images', 0),
        ('image_size', 32),
        ('expressions_per_object', 0),
    ],
)
def test_parameters_out_of_range_are_named(tmp_path, option, value):
    with pytest.raises(ValueError, match=option):
        tool.make_refshapes(tmp_path / 'out', **{option: value})
    assert not (tmp_path / 'out').exists()


def test_command_line_passes_options_and_fails_in_one_line(tmp_path):
    out = tmp_path / 'out'
    options = '--train-images 1 --val-images 1 --test-images 1 --image-size 96'.split()
    tool.main([str(out), *options, '--expressions-per-object', '2'])
    instances, refs = read(out)
    assert {(i['height'], i['width']) for i in instances['images']} == {(96, 96)}
    assert max(len(r['sentences']) for r in refs) == 2
    with pytest.raises(SystemExit, match='make_refshapes: .*--overwrite'):
        tool.main([str(out)])


def test_the_ungrouped_config_has_the_expressions_of_the_grouped(tmp_path, monkeypatch):
    few = dict(train_images=2500, val_images=1, test_images=1)
    tool.make_refshapes(tmp_path / 'data', **few)
    monkeypatch.setenv('REFSHAPES_ROOT', f'{tmp_path}/data/')
    expressions, steps = [], []
    for name in ('m2ist_tiny_refshapes.py', 'm2ist_tiny_refshapes_ungrouped.py'):
        loader = load_config_file(ROOT / 'configs' / 'm2ist' / name).train_dataloader
        dataset = DATASETS.build(loader.dataset)
        samples = [dataset.get_data_info(index) for index in range(len(dataset))]
        expressions.append(
            {(s['img_id'], number) for s in samples for number in s['sent_id']}
        )
        steps.append(len(dataset) / loader.batch_size)
    assert expressions[0] == expressions[1]
    assert steps[1] == pytest.approx(steps[0], rel=0.02)
