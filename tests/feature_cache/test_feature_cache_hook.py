import runpy
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner

from m2ist_mm.datasets.transforms import swap_left_right

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def config(tmp_path, mini_refcoco):
    """A training on two fixed views per image, with both caches on disk."""
    write = runpy.run_path(str(ROOT / 'tests/nano_config.py'))['write_nano_config']
    config = Config.fromfile(write(tmp_path / 'nano', mini_refcoco))
    config.train_cfg.max_epochs = 2
    pipeline = config.train_dataloader.dataset.pipeline
    resize = dict(type='Resize', scale=(64, 64), keep_ratio=True)
    canvas = dict(type='PadToCanvas', size=(64, 64), position='center')
    config.train_dataloader.dataset.pipeline = [
        *pipeline[:2],
        resize,
        dict(type='RECRandomFlip', prob=0.5),
        canvas,
        pipeline[-1],
    ]
    config.model.bbox_head.dropout = 0.0
    for part in ('val_cfg', 'val_dataloader', 'val_evaluator'):
        config[part] = None
    config.default_hooks.checkpoint.save_best = None
    config.work_dir = str(tmp_path / 'work')
    return config


def with_caches(config, folder):
    config.model.backbone.language_cache = dict(folder=str(folder))
    config.model.backbone.vision_cache = dict(folder=str(folder))
    config.default_hooks.feature_cache.batch_size = 5
    return config


def train(config, name):
    config = config.copy()
    config.experiment_name = name
    runner = Runner.from_cfg(config)
    asked = dict(vision=0, language=0)
    backbone = runner.model.backbone
    for tower in asked:

        def count(module, inputs, tower=tower):
            asked[tower] += len(inputs[0])

        getattr(backbone, tower).register_forward_pre_hook(count)
    runner.train()
    return runner, asked


def test_training_reads_all_from_the_disk_and_ends_the_same(config, tmp_path):
    plain, asked = train(config, 'plain')
    assert asked['vision'] == 24  # 12 expressions, 2 epochs
    config = with_caches(config, tmp_path / 'caches')
    cached, asked = train(config, 'cached')
    dataset = cached.train_dataloader.dataset
    samples = [dataset.get_data_info(index) for index in range(len(dataset))]
    texts = {text for sample in samples for text in sample['text']}
    texts |= {swap_left_right(text) for text in texts}
    assert asked == dict(
        vision=2 * len({sample['img_path'] for sample in samples}), language=len(texts)
    )
    # of the weights, the biases of keys are but rounding: nothing depends on them
    batch = next(iter(plain.train_dataloader))
    boxes = []
    for runner in (plain, cached):
        data = runner.model.data_preprocessor(batch)
        with torch.no_grad():
            boxes.append(runner.model.eval()(**data, mode='tensor'))
    torch.testing.assert_close(*boxes, rtol=0, atol=1e-5)
    # all is there now
    assert train(config, 'again')[1] == dict(vision=0, language=0)


def test_random_views_are_refused(config, tmp_path):
    config = with_caches(config, tmp_path / 'caches')
    jitter = dict(type='ColorJitter', strength=0.4)
    config.train_dataloader.dataset.pipeline.insert(
        3, dict(type='RandomApply', prob=0.8, transforms=[jitter])
    )
    with pytest.raises(ValueError, match='deterministic = True`: RandomApply'):
        train(config, 'jitter')


def test_random_places_are_refused(config, tmp_path):
    config = with_caches(config, tmp_path / 'caches')
    config.train_dataloader.dataset.pipeline[-2].position = 'random'
    with pytest.raises(ValueError, match="position='center'"):
        train(config, 'places')


def test_caches_in_memory_are_filled_if_all_fits(config):
    config.model.backbone.language_cache = dict(max_entries=50)
    config.model.backbone.vision_cache = dict(max_entries=50)
    runner, asked = train(config, 'memory')
    backbone = runner.model.backbone
    # both views of 3 images, encoded once
    assert len(backbone.vision_cache) == asked['vision'] == 6
    assert len(backbone.language_cache) == asked['language']


def test_caches_in_memory_that_are_too_small_fill_as_they_can(config):
    config.model.backbone.vision_cache = dict(max_entries=2)
    runner, asked = train(config, 'small')
    assert len(runner.model.backbone.vision_cache) == 2
    assert asked['vision'] > 6
