import random

import cv2
import numpy as np
import pytest
import torch
from mmcv.transforms import BaseTransform
from mmdet.registry import TRANSFORMS
from mmengine.dataset import ConcatDataset
from torch.utils.data import DataLoader

from m2ist_mm.datasets import DatasetError, RECDataset, ReferDataset
from m2ist_mm.datasets.transforms import has_direction_word

LOAD = [
    dict(type='LoadRECImage'),
    dict(type='PackRECInputs'),
]


@TRANSFORMS.register_module()
class DrawNumbers(BaseTransform):
    """Gives three random numbers, one of each library."""

    def transform(self, results):
        numbers = [random.random(), np.random.rand(), torch.rand(1).item()]
        return torch.tensor(numbers, dtype=torch.float64)


@TRANSFORMS.register_module()
class GiveNothing(BaseTransform):
    def transform(self, results):
        return None


def draw(dataset, epoch, num_workers=0):
    dataset.set_epoch(epoch)
    return torch.cat(list(DataLoader(dataset, 2, num_workers=num_workers)))


@pytest.fixture
def numbers(mini_refcoco, build_refer):
    return build_refer(mini_refcoco, pipeline=[dict(type='DrawNumbers')])


def test_random_numbers_do_not_depend_on_the_worker(numbers):
    alone = draw(numbers, 3)
    torch.manual_seed(99)
    random.seed(99)
    np.random.seed(99)
    assert torch.equal(alone, draw(numbers, 3, num_workers=2))
    assert torch.equal(alone[5], numbers[5])


def test_random_numbers_differ_by_sample_epoch_and_seed(
    numbers, mini_refcoco, build_refer
):
    other = build_refer(mini_refcoco, pipeline=[dict(type='DrawNumbers')], seed=1)
    drawn = torch.cat([draw(numbers, 0), draw(numbers, 1), draw(other, 0)])
    assert len(drawn.unique()) == drawn.numel()


def test_global_generators_are_left_alone(numbers):
    numbers.set_epoch(0)
    states = random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state()
    numbers[0]
    assert random.getstate() == states[0]
    assert np.array_equal(np.random.get_state()[1], states[1])
    assert torch.equal(torch.get_rng_state(), states[2])


def test_without_epoch_the_global_generators_are_used(numbers):
    torch.manual_seed(0)
    expected = torch.rand(2)
    torch.manual_seed(0)
    drawn = [numbers[0][2].item(), numbers[0][2].item()]
    assert drawn == expected.tolist()


def test_persistent_workers_see_the_epoch(numbers):
    loader = DataLoader(numbers, 2, num_workers=1, persistent_workers=True)
    list(loader)  # starts the worker
    epochs = []
    for epoch in range(2):
        numbers.set_epoch(epoch)
        epochs.append(torch.cat(list(loader)))
    assert not torch.equal(epochs[0], epochs[1])
    assert torch.equal(epochs[1], draw(numbers, 1))


def test_subset_follows_its_own_epoch(numbers):
    subset = numbers.get_subset([4, 5])
    subset.set_epoch(1)
    assert torch.equal(draw(subset, 1), draw(numbers, 1)[:2])


@pytest.mark.parametrize('test_mode', [False, True])
def test_broken_image_is_an_error_that_names_it(refer_folder, build_refer, test_mode):
    path = refer_folder.image_path(1)
    path.write_bytes(path.read_bytes()[:-200])
    dataset = build_refer(refer_folder.root, pipeline=LOAD, test_mode=test_mode)
    dataset[0]
    with pytest.raises(DatasetError) as caught:
        dataset[4]
    assert f'{path} (sent_id [4])' in str(caught.value)
    assert 'truncated' in str(caught.value)


def test_broken_image_in_a_worker_is_one_line(refer_folder, build_refer):
    path = refer_folder.image_path(0)
    path.write_bytes(path.read_bytes()[:-200])
    dataset = build_refer(refer_folder.root, pipeline=LOAD)
    batches = iter(DataLoader(dataset, num_workers=1))
    with pytest.raises(DatasetError) as caught:
        next(batches)
    batches._shutdown_workers()  # else the traceback keeps them, for 5 seconds
    assert len(str(caught.value).splitlines()) == 1
    assert str(refer_folder.image_path(0)) in str(caught.value)


def test_pipeline_that_gives_nothing_is_an_error(mini_refcoco, build_refer):
    dataset = build_refer(mini_refcoco, pipeline=[dict(type='GiveNothing')])
    with pytest.raises(DatasetError, match='000000.jpg .*gave no sample'):
        dataset[0]


@pytest.mark.parametrize('size', [1, 3, 4, 8])
def test_grouping_keeps_every_expression_once(mini_refcoco, build_refer, size):
    dataset = build_refer(mini_refcoco, max_expressions_per_sample=size)
    single = build_refer(mini_refcoco)
    expected = {
        sample['sent_id'][0]: (sample['img_path'], sample['text'], sample['instances'])
        for sample in (single.get_data_info(i) for i in range(len(single)))
    }
    groups = [dataset.get_data_info(i) for i in range(len(dataset))]
    assert len(groups) == 3 * -(-4 // size)  # 3 images of 4 expressions
    found = {
        sent_id: (group['img_path'], [text], [{**instance, 'bbox_label': 0}])
        for group in groups
        for sent_id, text, instance in zip(
            group['sent_id'], group['text'], group['instances'], strict=True
        )
    }
    assert found == expected
    for group in groups:
        labels = [instance['bbox_label'] for instance in group['instances']]
        assert labels == list(range(len(labels)))
    assert all(len(group['text']) <= size for group in groups)


def test_all_boxes_are_of_one_category(mini_refcoco, build_refer):
    """Else mmdet's ClassBalancedDataset takes labels for categories, some rare."""
    dataset = build_refer(mini_refcoco, max_expressions_per_sample=4)
    assert dataset.get_cat_ids(0) == [0] * 4


def test_crop_within_a_wrapper_keeps_objects_apart(mini_refcoco, build_refer):
    crop = dict(type='ReferentCrop', min_size=20, max_size=30)
    gated = dict(type='ApplyUnlessDirection', transforms=[crop])
    choice = dict(type='RandomChoice', transforms=[[gated], []])
    groups = [
        len(build_refer(mini_refcoco, pipeline=pipeline, max_expressions_per_sample=8))
        for pipeline in ([gated], [choice], [])
    ]
    assert groups == [9, 9, 3]


def test_grouping_is_drawn_from_the_seed(mini_refcoco, build_refer):
    def groups(seed):
        dataset = build_refer(mini_refcoco, max_expressions_per_sample=2, seed=seed)
        return [dataset.get_data_info(i)['sent_id'] for i in range(len(dataset))]

    assert groups(0) == groups(0)
    assert len({str(groups(seed)) for seed in range(5)}) > 1


def test_groups_share_every_augmentation(mini_refcoco, build_refer):
    crop = dict(type='ReferentCrop', min_size=20, max_size=30)
    pipeline = [dict(type='ApplyUnlessDirection', prob=0.5, transforms=[crop])]
    dataset = build_refer(mini_refcoco, pipeline=pipeline, max_expressions_per_sample=8)
    groups = [dataset.get_data_info(index) for index in range(len(dataset))]
    mixed = 0
    for group in groups:
        spared = {has_direction_word(text) for text in group['text']}
        boxes = {tuple(instance['bbox']) for instance in group['instances']}
        assert spared == {True} or (spared == {False} and len(boxes) == 1)
        mixed += len(boxes) > 1
    # of one image, those that are not cropped are together whatever they name
    assert mixed
    spared = [g['img_path'] for g in groups if has_direction_word(g['text'][0])]
    assert len(spared) == len(set(spared))
    assert len(groups) < sum(len(group['text']) for group in groups)


def test_group_size_must_be_positive(mini_refcoco, build_refer):
    with pytest.raises(ValueError, match='at least 1'):
        build_refer(mini_refcoco, max_expressions_per_sample=0)


def test_splits_concatenate(mini_refcoco, build_refer):
    both = ConcatDataset(
        [build_refer(mini_refcoco, s, pipeline=LOAD) for s in ('testA', 'testB')]
    )
    assert [both[i]['data_samples'].split for i in (0, 7)] == ['testA', 'testB']


def test_reading_is_by_subclass():
    class Unfinished(ReferDataset.__mro__[1]):
        pass

    with pytest.raises(NotImplementedError, match='Unfinished'):
        Unfinished(split='train')


def test_split_without_sound_expression_is_named(refer_folder, build_refer):
    def spoil(refs):
        for ref in refs:
            if ref['split'] == 'testA':
                for sentence in ref['sentences']:
                    sentence['sent'] = ''

    refer_folder.change_refs(spoil)
    with pytest.raises(DatasetError) as caught:
        build_refer(refer_folder.root, ['testA', 'testB'])
    assert any(
        fault.endswith("no sound expression in split 'testA'")
        for fault in caught.value.faults
    )


def test_image_of_another_size_than_annotated_is_refused(refer_folder, build_refer):
    resized = refer_folder.image_path(1)
    cv2.imwrite(str(resized), np.zeros((30, 40, 3), np.uint8))
    fault = f'{resized}: is 40x30 pixels, and 180x220 in the annotations'
    with pytest.raises(DatasetError) as caught:
        build_refer(refer_folder.root)
    assert caught.value.faults == [fault]
    dataset = build_refer(refer_folder.root, filter_cfg=dict(skip_faulty=True))
    assert len(dataset) == 8
    unchecked = build_refer(refer_folder.root, check_images=False)
    assert unchecked.check_decoding() == [fault]


def test_check_decoding_finds_truncated_images(refer_folder, build_refer):
    broken = refer_folder.image_path(0)
    broken.write_bytes(broken.read_bytes()[:-100])
    (fault,) = build_refer(refer_folder.root).check_decoding()
    assert fault.startswith(f'{broken} cannot be read as an image')


class Unboxed(RECDataset):
    def load_expressions(self):
        row = dict(text='dog', split='train', sent_id=0, img_path='a', entry='row 0')
        return [row], []


def test_subclass_must_give_a_box_unless_told_otherwise():
    with pytest.raises(DatasetError, match='row 0: it has no box'):
        Unboxed(split='train', check_images=False)
    kwargs = dict(check_images=False, test_mode=True, serialize_data=False)
    assert len(Unboxed(split='train', with_boxes=False, **kwargs)) == 1
