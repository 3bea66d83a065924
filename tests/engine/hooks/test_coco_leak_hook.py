from types import SimpleNamespace
from unittest.mock import Mock

import pytest
from torch import nn

from m2ist_mm.engine import COCOLeakHook

ZOO = (
    'https://download.openmmlab.com/mmdetection/v3.0/detr/detr_r50_8xb2-150e_coco/'
    'detr_r50_8xb2-150e_coco_20221023_153551-436d03e8.pth'
)


def dataset(splits=('val',), **names):
    names = dict(name='refcoco', ann_file='instances.json') | names
    return SimpleNamespace(splits=splits, **names)


def make_runner(weights):
    model = nn.Module()
    model.backbone = nn.Module()
    model.backbone.vision = nn.Module()
    model.backbone.vision.weights = weights
    return Mock(model=model)


def warnings_of(weights, *datasets):
    runner = make_runner(weights)
    runner.test_dataloader.dataset = SimpleNamespace(datasets=list(datasets))
    COCOLeakHook().before_test(runner)
    return [call.args[0] for call in runner.logger.warning.call_args_list]


@pytest.mark.parametrize(
    'weights',
    [
        ZOO,
        'checkpoints/detr_r50_8xb2-150e_coco_20221023_153551-436d03e8.pth',
        'https://dl.fbaipublicfiles.com/detr/detr-r50-e632da11.pth',
        'detr-r50-dc5-f0fb7ef5.pth',
        'facebook/detr-resnet-50',
        'weights/yolox_nano_tower.pth',
        'checkpoints/yolox_nano_coco.pth',
        'yolox_s.pth',
    ],
)
def test_stock_weights_are_named_with_the_splits(weights):
    (line,) = warnings_of(
        weights, dataset(), dataset(('train', 'testA', 'testB'), name='refcoco+')
    )
    assert line.startswith(f'the vision tower {weights!r} was trained on all of COCO')
    assert 'the images of refcoco val, refcoco+ testA, testB:' in line
    assert '\n' not in line


@pytest.mark.parametrize(
    'weights',
    [None, 'checkpoints/detr_r50_tower.pth', 'weights/tiny_refshapes_tower.pth'],
)
def test_other_weights_are_not_warned_of(weights):
    assert warnings_of(weights, dataset()) == []


@pytest.mark.parametrize(
    ('names', 'warned'),
    [
        (dict(name=None, refs_file='data/coco/refcocog/refs(umd).p'), True),
        (dict(name=None, ann_file='data/unc_{split}.pth'), True),
        (dict(name='flickr30k', ann_file='data/flickr_{split}.pth'), False),
        (dict(splits=('train',)), False),
    ],
)
def test_datasets_are_known_by_name_or_file(names, warned):
    assert bool(warnings_of(ZOO, dataset(**names))) == warned


def test_validation_warns_once_a_training():
    hook, runner = COCOLeakHook(), make_runner(ZOO)
    runner.val_dataloader.dataset = dataset()
    for _ in range(3):
        hook.before_val(runner)
    assert runner.logger.warning.call_count == 1
