import json


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


def test_detection_files_hold_one_split_each_by_kind(root, instances, refs):
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
        kinds = ['circle', 'square', 'triangle', 'star', 'cross', 'ring']
        assert list(names.values()) == kinds
        for shape in detection['annotations']:
            same = whole[shape['id']]
            kind = color_kind[same['category_id']].split()[-1]
            assert names[shape['category_id']] == kind
            assert shape['bbox'] == same['bbox']
