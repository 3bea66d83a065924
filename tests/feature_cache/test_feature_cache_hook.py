import numpy as np
import pytest
import torch
from mmdet.registry import HOOKS, MODELS
from mmengine.runner import Runner

from m2ist_mm.datasets.transforms import swap_left_right
from m2ist_mm.feature_cache import FeatureCacheHook


@pytest.fixture
def config(tmp_path, nano_config):
    """A training on two fixed views per image."""
    config = nano_config
    config.train_cfg.max_epochs = 2
    pipeline = config.train_dataloader.dataset.pipeline
    _, resize, canvas, *_ = config.val_dataset.pipeline
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


def with_caches(config, **settings):
    config.default_hooks.feature_cache = dict(
        type='FeatureCacheHook', batch_size=5, **settings
    )
    return config


def on_disk(config, folder):
    settings = dict(folder=str(folder))
    return with_caches(config, language=settings, vision=settings)


def train(config, name):
    """Train; returns the runner and how many inputs each tower has encoded."""
    config = config.copy()
    config.experiment_name = name
    runner = Runner.from_cfg(config)
    asked = dict(vision=0, language=0)
    for tower in asked:

        def count(module, inputs, tower=tower):
            asked[tower] += len(inputs[0])

        runner.model.backbone.towers[tower].register_forward_pre_hook(count)
    runner.train()
    return runner, asked


def hook_of(runner):
    (hook,) = [hook for hook in runner.hooks if isinstance(hook, FeatureCacheHook)]
    return hook


@pytest.fixture
def kept(monkeypatch):
    """How many inputs the caches held when the training was over."""
    kept = {}
    detach = FeatureCacheHook.detach

    def look_and_detach(hook):
        kept.update({name: len(cache) for name, cache in hook.caches.items()})
        detach(hook)

    monkeypatch.setattr(FeatureCacheHook, 'detach', look_and_detach)
    return kept


@pytest.mark.slow
def test_training_reads_all_from_the_disk_and_ends_the_same(config, tmp_path):
    plain, asked = train(config, 'plain')
    assert asked['vision'] == 24  # 12 expressions, 2 epochs
    config = on_disk(config, tmp_path / 'caches')
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


def test_settings_that_are_no_dict_are_named():
    with pytest.raises(
        ValueError, match="vision='caches' must be a dict, for instance"
    ):
        FeatureCacheHook(vision='caches')


def test_caches_in_memory_are_filled_if_all_fits_and_go_after_the_training(
    config, kept
):
    settings = dict(max_entries=50)
    config = with_caches(config, language=settings, vision=settings)
    runner, asked = train(config, 'memory')
    # both views of 3 images, encoded once
    assert kept == asked
    assert asked['vision'] == 6
    assert hook_of(runner).caches == {}
    assert {tower.cache for tower in runner.model.backbone.towers.values()} == {None}


def test_caches_in_memory_that_are_too_small_fill_as_they_can(config, kept):
    _, asked = train(with_caches(config, vision=dict(max_entries=2)), 'small')
    assert kept == dict(vision=2)
    assert asked['vision'] > 6
    assert asked['language'] == 24


def test_validation_asks_the_caches(config, nano_path):
    config = with_caches(config, language=dict(max_entries=50))
    loader = config.test_dataloader
    config.val_dataloader, config.val_cfg = loader, dict()
    config.val_evaluator = config.test_evaluator
    config.train_cfg.val_interval = 1
    runner, asked = train(config, 'validated')
    texts = set()
    for dataset in (runner.train_dataloader.dataset, runner.val_dataloader.dataset):
        for index in range(len(dataset)):
            texts |= set(dataset.get_data_info(index)['text'])
    # no more than once each, though validated twice
    assert asked['language'] == len(texts | {swap_left_right(text) for text in texts})


def test_mirrored_expressions_are_encoded_too(config):
    config.train_dataloader.dataset.indices = 1
    runner = Runner.from_cfg(with_caches(config, language=dict(max_entries=50)))
    runner.train_loop  # noqa: B018  (builds it)
    (text,) = runner.train_dataloader.dataset.get_data_info(0)['text']
    assert swap_left_right(text) != text
    hook_of(runner).before_train(runner)
    assert len(hook_of(runner).caches['language']) == 2


@pytest.mark.slow
def test_random_views_are_refused(config, tmp_path):
    config = on_disk(config, tmp_path / 'caches')
    jitter = dict(type='ColorJitter', strength=0.4)
    config.train_dataloader.dataset.pipeline.insert(
        3, dict(type='RandomApply', prob=0.8, transforms=[jitter])
    )
    with pytest.raises(ValueError, match='deterministic = True`: RandomApply'):
        train(config, 'jitter')


@pytest.mark.slow
def test_random_places_are_refused(config, tmp_path):
    config = on_disk(config, tmp_path / 'caches')
    config.train_dataloader.dataset.pipeline[-2].position = 'random'
    with pytest.raises(ValueError, match="position='center'"):
        train(config, 'places')


@pytest.mark.slow
def test_random_views_matter_to_images_alone(config):
    config.train_dataloader.dataset.pipeline[-2].position = 'random'
    _, asked = train(with_caches(config, language=dict(max_entries=50)), 'texts')
    assert asked['language'] < 24


def build_hook(**settings):
    return HOOKS.build(dict(type='FeatureCacheHook', **settings))


@pytest.mark.parametrize(
    'change', [dict(freeze=False), dict(tuner=dict(type='BitFitTuner'))]
)
def test_towers_that_are_tuned_are_refused(nano_config, change):
    nano_config.model.backbone.update(change)
    model = MODELS.build(nano_config.model)
    hook = build_hook(language=dict(max_entries=5))
    with pytest.raises(ValueError, match='the language tower is tuned .*take language'):
        hook.attach(model)
    assert model.backbone.language.cache is None


def test_tower_that_is_not_there_is_named(backbone):
    hook = build_hook(language=dict(max_entries=5))
    with pytest.raises(ValueError, match=r"no language tower, only \['vision'\]"):
        hook.attach(backbone.vision)


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        (dict(), 'caches nothing'),
        (dict(vision=dict(dtype='int8', max_entries=1)), "not 'int8'"),
        (dict(vision=dict(max_entries=1), batch_size=0), 'batch_size .* got 0'),
        (dict(vision=dict(size=3)), 'vision has size; a cache is given max_entries'),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        build_hook(**settings)


def test_attached_caches_may_be_others_than_the_configs(backbone, tmp_path):
    hook = build_hook(
        language=dict(folder=str(tmp_path / 'no')), vision=dict(folder='')
    )
    hook.attach(backbone, folder=None, max_entries=7)
    ids = torch.tensor([[2, 5, 3]])
    backbone.language.encode(ids, torch.ones_like(ids))
    assert len(backbone.language.cache) == 1
    assert backbone.vision.cache.max_entries == 7
    assert not (tmp_path / 'no').exists()
    hook.detach()
    assert backbone.language.cache is None


@pytest.mark.slow
def test_random_numbers_are_not_touched(config, tmp_path):
    runner = Runner.from_cfg(on_disk(config, tmp_path / 'caches'))
    runner.train_loop  # noqa: B018  (builds it)
    np.random.seed(3)
    expected = np.random.RandomState(3).rand()
    hook_of(runner).before_train(runner)
    assert np.random.rand() == expected


@pytest.mark.slow
def test_bytes_are_told_before_they_are_written(config, tmp_path):
    config = on_disk(config, tmp_path / 'caches')
    config.experiment_name = 'told'
    runner = Runner.from_cfg(config)
    told = hook_of(runner).num_bytes(runner.model, runner.train_dataloader.dataset)
    assert all(tower.cache is None for tower in runner.model.backbone.towers.values())
    assert not (tmp_path / 'caches').exists()
    runner.train()
    files = list((tmp_path / 'caches').rglob('*.safetensors'))
    written = sum(path.stat().st_size for path in files)
    # names, masks and headers are not features
    assert 0.9 * written < sum(told.values()) < written
    assert told['vision'] > told['language'] > 0
