import json

from m2ist_mm.datasets.refshapes import Recipe, make_refshapes


def test_layout_and_keys_are_those_of_refcoco(root, instances, refs):
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


def test_detection_files_hold_one_split_each_by_texture_color_and_kind(
    root, instances, refs
):
    color_kind = {c['id']: c['name'] for c in instances['categories']}
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
            expected = f'{same["texture"]} {color_kind[same["category_id"]]}'
            assert names[shape['category_id']] == expected
            assert shape['bbox'] == same['bbox']


def test_detection_files_of_kinds_differ_in_classes_alone(tmp_path):
    few = dict(train_images=2, val_images=1, test_images=1)
    contents, names = {}, {}
    for classes in ('looks', 'kinds'):
        make_refshapes(tmp_path / classes, Recipe(detection_classes=classes, **few))
        texts = tmp_path / classes / 'refshapes'
        for file in ('detection_train', 'instances'):
            contents[classes, file] = json.loads((texts / f'{file}.json').read_text())
        rows = contents[classes, 'detection_train']['categories']
        names[classes] = {row['id']: row['name'] for row in rows}
    assert contents['looks', 'instances'] == contents['kinds', 'instances']
    kinds = 'circle square triangle star cross ring'.split()
    assert list(names['kinds'].values()) == kinds
    looks, kinds = (
        contents[classes, 'detection_train']['annotations'] for classes in names
    )
    for look, kind in zip(looks, kinds, strict=True):
        name = names['kinds'][kind['category_id']]
        assert names['looks'][look['category_id']].split()[-1] == name
        assert {**look, 'category_id': 0} == {**kind, 'category_id': 0}
