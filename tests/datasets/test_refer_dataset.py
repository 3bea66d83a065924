import json
import pickle

import pytest
from mmengine import fileio

from m2ist_mm.datasets import DatasetError


@pytest.mark.parametrize('serialize_data', [False, True])
def test_sample_has_mmdet_form(mini_refcoco, build_refer, serialize_data):
    dataset = build_refer(mini_refcoco, serialize_data=serialize_data)
    assert len(dataset) == 12
    assert dataset.metainfo['classes'] == ('referent',)
    sample = dataset.get_data_info(2)
    assert sample['text'] == ['right block']
    assert sample['sent_id'] == [2]
    assert (sample['width'], sample['height']) == (160, 240)
    assert sample['split'] == 'train'
    assert sample['img_path'] == str(
        mini_refcoco / 'train2014' / 'COCO_train2014_000000000000.jpg'
    )
    assert sample['instances'] == [
        dict(bbox=[88.0, 20.0, 88 + 53, 20 + 120], bbox_label=0, ignore_flag=0)
    ]


@pytest.mark.parametrize(
    ('split', 'count'), [('train', 12), ('val', 8), ('testA', 4), ('testB', 4)]
)
def test_splits_are_as_published(mini_refcoco, build_refer, split, count):
    dataset = build_refer(mini_refcoco, split)
    assert len(dataset) == count
    assert {dataset.get_data_info(i)['split'] for i in range(count)} == {split}


def test_several_splits_are_read_in_the_order_asked_for(mini_refcoco, build_refer):
    dataset = build_refer(mini_refcoco, ['testB', 'val'])
    samples = [dataset.get_data_info(i) for i in range(len(dataset))]
    assert [s['split'] for s in samples] == ['testB'] * 4 + ['val'] * 8
    assert samples[0]['sent_id'] == [24]


def test_grouping_of_a_image_keeps_splits_apart(refer_folder, build_refer):
    # as in RefCOCOg's google splits, which share images
    refer_folder.change_refs(lambda refs: refs[1].update(split='val'))
    dataset = build_refer(
        refer_folder.root, ['train', 'val'], max_expressions_per_sample=8
    )
    samples = [dataset.get_data_info(i) for i in range(len(dataset))]
    first = [s for s in samples if s['img_path'].endswith('000000.jpg')]
    assert [(s['split'], sorted(s['sent_id'])) for s in first] == [
        ('train', [0, 1]),
        ('val', [2, 3]),
    ]


def test_name_goes_with_every_sample(mini_refcoco, build_refer):
    assert build_refer(mini_refcoco, name='mine').get_data_info(3)['dataset'] == 'mine'
    assert 'dataset' not in build_refer(mini_refcoco).get_data_info(3)


def test_images_that_another_file_tests_with_are_left_out(refer_folder, build_refer):
    original = refer_folder.refs_path.read_bytes()
    refer_folder.change_refs(
        lambda refs: [ref.update(split='val') for ref in refs if ref['image_id'] == 1]
    )
    other = refer_folder.refs_path.with_name('refs(other).p')
    refer_folder.refs_path.rename(other)
    refer_folder.refs_path.write_bytes(original)
    dataset = build_refer(
        refer_folder.root, held_out_by=['refcoco/refs(unc).p', 'refcoco/refs(other).p']
    )
    sent_ids = [dataset.get_data_info(i)['sent_id'][0] for i in range(len(dataset))]
    assert sent_ids == [0, 1, 2, 3, 8, 9, 10, 11]


def test_indices_take_the_first_expressions(mini_refcoco, build_refer):
    dataset = build_refer(mini_refcoco, indices=5, expected_count=12)
    assert [dataset.get_data_info(i)['sent_id'] for i in range(5)] == [
        [0],
        [1],
        [2],
        [3],
        [4],
    ]
    assert len(dataset) == 5


def test_kind_of_expression_is_kept(refer_folder, build_refer):
    refer_folder.change_refs(
        lambda refs: [
            sentence.update(kind='place')
            for ref in refs
            for sentence in ref['sentences']
        ]
    )
    assert build_refer(refer_folder.root).get_data_info(0)['kind'] == ['place']


def test_kind_may_be_missing_in_some_expressions(refer_folder, build_refer):
    refer_folder.change_refs(lambda refs: refs[1]['sentences'][0].update(kind='place'))
    dataset = build_refer(refer_folder.root, max_expressions_per_sample=4)
    assert sorted(map(str, dataset.get_data_info(0)['kind'])) == [
        'None',
        'None',
        'None',
        'place',
    ]


def test_lowercase_is_an_option(refer_folder, build_refer):
    refer_folder.change_refs(lambda refs: refs[0]['sentences'][0].update(sent='A Dog '))
    root = refer_folder.root
    assert build_refer(root).get_data_info(0)['text'] == ['a dog']
    assert build_refer(root, lowercase=False).get_data_info(0)['text'] == ['A Dog']


@pytest.mark.parametrize('expected', [11, dict(train=11), 'refcoco_unc'])
def test_wrong_count_is_refused(mini_refcoco, build_refer, expected):
    with pytest.raises(DatasetError, match="'train' has 12 expressions, not the 1"):
        build_refer(mini_refcoco, expected_count=expected)


@pytest.mark.parametrize('expected', [None, 12, dict(train=12)])
def test_right_count_passes(mini_refcoco, build_refer, expected):
    assert len(build_refer(mini_refcoco, expected_count=expected)) == 12


def test_each_split_has_its_own_count(mini_refcoco, build_refer):
    counts = dict(val=8, testA=5, train=99)
    with pytest.raises(DatasetError, match="'testA' has 4 .*not the 5") as caught:
        build_refer(mini_refcoco, ['val', 'testA'], expected_count=counts)
    assert len(caught.value.faults) == 1
    with pytest.raises(ValueError, match='one number for the splits val, testA'):
        build_refer(mini_refcoco, ['val', 'testA'], expected_count=12)


def test_unknown_count_name_lists_the_known(mini_refcoco, build_refer):
    with pytest.raises(ValueError, match='refcoco_unc, refcoco'):
        build_refer(mini_refcoco, expected_count='refcoco')


def test_unknown_split_lists_the_known(mini_refcoco, build_refer):
    with pytest.raises(
        DatasetError, match="no split 'test'; there are testA, testB, train, val"
    ):
        build_refer(mini_refcoco, 'test')


def refs_change(**fields):
    return lambda folder: folder.change_refs(lambda refs: refs[1].update(fields))


def sentence_change(**fields):
    return lambda folder: folder.change_refs(
        lambda refs: refs[1]['sentences'][0].update(fields)
    )


def box_change(*bbox):
    def change(instances):
        instances['annotations'][1]['bbox'] = list(bbox)

    return lambda folder: folder.change_instances(change)


def instances_change(change):
    return lambda folder: folder.change_instances(change)


FAULTS = {
    'annotation': (refs_change(ann_id=999), 'ref_id 1: its annotation 999 is not in'),
    'image': (refs_change(image_id=999), 'ref_id 1: its image 999 is not in'),
    'other_image': (refs_change(image_id=4), 'ref_id 1: is on image 4, its annotation'),
    'ref_id': (refs_change(ref_id=0), 'ref_id 0 occurs 2 times'),
    'sent_id': (sentence_change(sent_id=0), 'sent_id 0: its sent_id 0 is not unique'),
    'empty': (sentence_change(sent='  '), 'sent_id 2: the expression is empty'),
    'no_area': (box_change(10, 10, 0, 20), r'box \[10.0, 10.0, 10.0, 30.0\].*no area'),
    'nan': (box_change(10, 10, float('nan'), 20), 'has no area'),
    'outside': (
        box_change(100, 10, 80, 20),
        r'box \[100.0, 10.0, 180.0, 30.0\] \(xyxy\) leaves the image of 160x240',
    ),
    'far': (box_change(160.5, 10, 0.2, 20), 'leaves the image'),
    'three_numbers': (box_change(1, 2, 3), 'annotations entry 1.*not four numbers'),
    'annotation_ids': (
        instances_change(lambda i: i['annotations'].append(i['annotations'][0])),
        'annotations id 100 occurs 2 times',
    ),
    'image_ids': (
        instances_change(lambda i: i['images'].append(i['images'][0])),
        'images id 0 occurs 2 times',
    ),
    'no_width': (
        instances_change(lambda i: i['images'][2].pop('width')),
        "images entry 2: has no 'width'",
    ),
    'no_box': (
        instances_change(lambda i: i['annotations'][1].pop('bbox')),
        "annotations entry 1: has no 'bbox'",
    ),
    'no_table': (instances_change(lambda i: i.pop('images')), "has no list 'images'"),
    'refs_file': (lambda f: f.refs_path.unlink(), r'refs\(unc\).p: no such file'),
    'ann_file': (lambda f: f.instances_path.unlink(), 'instances.json: no such file'),
    'truncated_json': (
        lambda f: f.instances_path.write_bytes(f.instances_path.read_bytes()[:-30]),
        'instances.json: not a complete JSON file',
    ),
    'image_file': (
        lambda f: f.image_path(0).unlink(),
        r'000000.jpg: no such image, named by .*ref_id 0, sent_id 0.*1 of 3',
    ),
    'folder': (
        lambda f: (f.root / 'train2014').rename(f.root / 'images'),
        'train2014/?: no such image folder',
    ),
}


@pytest.mark.parametrize('name', FAULTS)
def test_fault_is_one_error_with_its_place(refer_folder, build_refer, name):
    break_it, message = FAULTS[name]
    break_it(refer_folder)
    with pytest.raises(DatasetError, match=message) as caught:
        build_refer(refer_folder.root)
    assert str(refer_folder.root) in str(caught.value)
    # both expressions of an object have its box
    box = name in ('no_area', 'nan', 'outside', 'far')
    assert len(caught.value.faults) == 1 + box


def test_all_faults_are_collected(refer_folder, build_refer):
    refer_folder.change_refs(lambda refs: refs[0].update(ann_id=999))
    sentence_change(sent='')(refer_folder)
    refer_folder.image_path(1).unlink()
    with pytest.raises(DatasetError) as caught:
        build_refer(refer_folder.root)
    assert len(caught.value.faults) == 3
    assert 'skip_faulty' in str(caught.value).splitlines()[-1]


def test_faulty_entries_can_be_left_out(refer_folder, build_refer):
    sentence_change(sent='')(refer_folder)
    dataset = build_refer(refer_folder.root, filter_cfg=dict(skip_faulty=True))
    assert len(dataset) == 11
    assert len(dataset.faults) == 1


def test_missing_images_need_not_be_looked_for(refer_folder, build_refer):
    refer_folder.image_path(0).unlink()
    assert len(build_refer(refer_folder.root, check_images=False)) == 12


def test_box_off_by_rounding_is_clipped(refer_folder, build_refer):
    box_change(-0.6, 10, 161, 20)(refer_folder)
    bbox = build_refer(refer_folder.root).get_data_info(2)['instances'][0]['bbox']
    assert bbox == [0, 10, 160, 30]


def test_annotations_of_no_referent_are_normal(refer_folder, build_refer):
    refer_folder.change_instances(
        lambda i: i['annotations'].append(dict(id=1, image_id=0, bbox=[0, 0, 5, 5]))
    )
    assert len(build_refer(refer_folder.root)) == 12


def test_files_are_as_the_test_thinks(refer_folder):
    instances = json.loads(refer_folder.instances_path.read_text())
    assert (instances['images'][0]['width'], instances['images'][0]['height']) == (
        160,
        240,
    )


def test_annotations_are_read_by_the_backend(refer_folder, build_refer, monkeypatch):
    asked = []

    def get(path, backend_args=None):
        asked.append((str(path), backend_args))
        return fileio.get(path)

    monkeypatch.setattr('m2ist_mm.datasets.formats.json_text.get', get)
    backend_args = dict(backend='local')
    build_refer(refer_folder.root, backend_args=backend_args)
    files = (refer_folder.refs_path, refer_folder.instances_path)
    assert asked == [(str(path), backend_args) for path in files]


def as_refclef(refs, instances):
    """RefCLEF has ids of annotations such as '8756_2', and joint splits."""
    names = {}
    for annotation in instances['annotations']:
        names[annotation['id']] = f'{annotation["image_id"]}_{annotation["id"]}'
        annotation['id'] = names[annotation['id']]
    for ref in refs:
        ref['ann_id'] = names[ref['ann_id']]
        if ref['split'] == 'testB':
            ref['split'] = 'testAB'


def test_refclef_is_read(refer_folder, build_refer):
    refs = pickle.loads(refer_folder.refs_path.read_bytes())
    refer_folder.change_instances(lambda instances: as_refclef(refs, instances))
    refer_folder.refs_path.write_bytes(pickle.dumps(refs))
    assert len(build_refer(refer_folder.root)) == 12
    dataset = build_refer(refer_folder.root, ['testA', 'testB'])
    splits = [dataset.get_data_info(i)['split'] for i in range(len(dataset))]
    assert splits == ['testA'] * 8 + ['testB'] * 4


def test_referents_without_expression_are_counted(refer_folder, build_refer, log):
    refs_change(sentences=[])(refer_folder)
    assert len(build_refer(refer_folder.root)) == 10
    assert log == ['ReferDataset train: 1 referents have no expression']


def test_sentences_may_be_a_tuple(refer_folder, build_refer):
    refer_folder.change_refs(
        lambda refs: [ref.update(sentences=tuple(ref['sentences'])) for ref in refs]
    )
    assert len(build_refer(refer_folder.root)) == 12


def test_faulty_annotations_that_no_referent_names_do_not_count(
    refer_folder, build_refer
):
    def spoil(instances):
        instances['annotations'] += [
            dict(id=1, image_id=0),
            dict(id=2, image_id=0, bbox='none'),
        ]
        instances['images'].append(dict(id=77, file_name='none.jpg'))

    refer_folder.change_instances(spoil)
    dataset = build_refer(refer_folder.root)
    assert len(dataset) == 12
    assert dataset.faults == []


def test_entries_without_an_id_are_faults(refer_folder, build_refer):
    refer_folder.change_instances(
        lambda i: i['annotations'].append(dict(image_id=0, bbox=[0, 0, 5, 5]))
    )
    with pytest.raises(DatasetError, match="annotations entry 14: has no 'id'"):
        build_refer(refer_folder.root)


def test_referents_without_boxes_can_be_predicted(refer_folder, build_refer):
    refer_folder.change_instances(lambda instances: instances.pop('annotations'))
    dataset = build_refer(refer_folder.root, with_boxes=False, test_mode=True)
    assert len(dataset) == 12
    assert dataset.get_data_info(0)['instances'] == []
