from collections import defaultdict

from m2ist_mm.datasets.refshapes.vocabulary import COLORS, HELD_OUT, SHAPE_KINDS


def test_splits_have_their_images_and_share_no_scene(root, instances, refs):
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


def test_held_out_combinations_are_the_referents_of_testb_and_nowhere_else(
    instances, refs
):
    names = {c['id']: c['name'] for c in instances['categories']}
    split = {ref['image_id']: ref['split'] for ref in refs}
    shown = defaultdict(set)
    for a in instances['annotations']:
        shown[split[a['image_id']]].add(names[a['category_id']])
    named = {names[r['category_id']] for r in refs if r['split'] == 'testB'}
    held_out = {f'{color} {kind}' for kind, color in HELD_OUT}
    assert len(held_out) == 6
    assert named == held_out
    for other in ('train', 'val', 'testA'):
        assert not shown[other] & held_out
    # Each kind and each color is still seen in train, in other company.
    words = {w for name in shown['train'] for w in name.split()}
    assert words == {*SHAPE_KINDS, *COLORS}


def test_testa_is_more_crowded_than_val(objects, refs):
    split = {ref['image_id']: ref['split'] for ref in refs}
    numbers = defaultdict(list)
    for image, found in objects.items():
        numbers[split[image]].append(len(found))
    assert set(numbers['val']) <= set(range(4, 9))
    assert set(numbers['testA']) <= set(range(7, 10))
