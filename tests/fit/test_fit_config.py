from dataclasses import replace

from m2ist_mm.config import load_config_file
from m2ist_mm.fit.fit_config import RunSettings, render_config, render_run


def test_config_is_the_base_on_the_rows_beside_it(
    settings, load, tmp_path, nano_config
):
    config = load(settings)
    for split in ('train', 'val', 'test'):
        loader = config[f'{split}_dataloader']
        assert loader.batch_size == 16
        pipeline = f'{"train" if split == "train" else "test"}_pipeline'
        assert dict(loader.dataset) == dict(
            type='RECFileDataset',
            file_format='rows',
            ann_file=f'{tmp_path}/data/{{split}}.jsonl',
            data_prefix=dict(img='/images'),
            box_unit='pixel',
            split=split,
            max_expressions_per_sample=4,
            test_mode=split != 'train',
            pipeline=nano_config[pipeline],
        )
        # what is not of the data stays
        shuffle = nano_config[f'{split}_dataloader'].sampler.shuffle
        assert loader.sampler.shuffle == shuffle
    assert config.model.neck == nano_config.model.neck
    assert config.model.init_grounder is None
    assert config.train_cfg == dict(
        type='EpochBasedTrainLoop', max_epochs=4, val_interval=1
    )
    warmup, cosine = config.param_scheduler
    assert (warmup.end, cosine.T_max) == (2, 4)  # a tenth of 28 steps
    assert config.randomness == dict(seed=3, deterministic=False)
    assert 'feature_cache' not in config.default_hooks
    assert config.optim_wrapper == nano_config.optim_wrapper


def test_what_saves_memory_is_written(settings, load, tmp_path):
    config = load(
        replace(
            settings,
            micro_batch_size=2,
            lowmem=True,
            amp=dict(type='AutocastOptimWrapper'),
            cached=('language',),
            cache_batch_size=8,
            init_grounder='/g.pth',
        )
    )
    assert config.train_cfg.type == 'MicroBatchTrainLoop'
    assert config.train_cfg.micro_batch_size == 2
    assert config.model.backbone.vision.chunk == 1
    assert config.model.bbox_head.recompute
    assert config.model.init_grounder == '/g.pth'
    assert config.optim_wrapper.type == 'AutocastOptimWrapper'
    assert config.optim_wrapper.optimizer.lr == 1e-3  # of the base
    assert config.custom_imports.imports == ['m2ist_mm', 'm2ist_mm.feature_cache']
    assert config.default_hooks.feature_cache == dict(
        type='FeatureCacheHook',
        batch_size=8,
        language=dict(folder=f'{tmp_path}/caches', dtype='float16', max_entries=0),
        vision=None,
    )


def test_options_come_last(settings, load):
    options = {
        'optim_wrapper.optimizer.lr': 5e-4,
        'param_scheduler.0.end': 9,
        'model.bbox_head.dropout': 0.3,
        'randomness.seed': 8,
    }
    config = load(replace(settings, options=options))
    assert config.optim_wrapper.optimizer.lr == 5e-4
    assert config.param_scheduler[0].end == 9
    assert config.param_scheduler[0].type == 'LinearLR'
    assert config.model.bbox_head.dropout == 0.3
    assert config.randomness.seed == 8


def test_lines_are_short(settings):
    text = render_config(replace(settings, cached=('language', 'vision'), lowmem=True))
    assert max(len(line) for line in text.splitlines()[2:]) <= 88


def test_a_run_differs_in_what_it_says(settings, load, tmp_path):
    whole = load(settings)
    folder = tmp_path / 'judge' / 'curve_25'
    folder.mkdir(parents=True)
    run = RunSettings(
        base='../../config.py',
        test=('../../data/{split}.jsonl', 'test'),
        train=('../{split}.jsonl', 'curve_25'),
        epochs=9,
        batch_size=2,
        steps_per_epoch=3,
    )
    (folder / 'config.py').write_text(render_run(run))
    config = load_config_file(folder / 'config.py')
    train = config.train_dataloader
    assert train.batch_size == 2
    assert train.dataset.ann_file == f'{folder}/../{{split}}.jsonl'
    assert train.dataset.split == 'curve_25'
    assert train.dataset.pipeline == whole.train_dataloader.dataset.pipeline
    assert config.train_cfg.max_epochs == 9
    assert [one.type for one in config.param_scheduler] == [
        'LinearLR',
        'CosineAnnealingLR',
    ]
    assert config.param_scheduler[1].T_max == 9
    assert config.val_dataloader.dataset == whole.val_dataloader.dataset
    assert config.model == whole.model

    options = {'param_scheduler.1.eta_min_ratio': 0.5, 'optim_wrapper.clip_grad': None}
    (folder / 'config.py').write_text(render_run(replace(run, options=options)))
    config = load_config_file(folder / 'config.py')
    assert config.param_scheduler[1].eta_min_ratio == 0.5
    assert config.optim_wrapper == whole.optim_wrapper  # it comes from the base

    audit = replace(run, validated=False, neck=False)
    (folder / 'config.py').write_text(render_run(audit))
    config = load_config_file(folder / 'config.py')
    assert config.val_dataloader is config.val_cfg is config.val_evaluator is None
    assert config.default_hooks.checkpoint.save_best is None
    assert config.model.neck is None


def test_a_test_alone_changes_the_tested_rows(settings, load, tmp_path):
    whole = load(settings)
    folder = tmp_path / 'judge' / 'shuffled'
    folder.mkdir(parents=True)
    run = RunSettings('../../config.py', test=('../{split}.jsonl', 'shuffled'))
    (folder / 'config.py').write_text(render_run(run))
    config = load_config_file(folder / 'config.py')
    assert config.test_dataloader.dataset.split == 'shuffled'
    assert config.test_dataloader.dataset.ann_file == f'{folder}/../{{split}}.jsonl'
    assert config.train_dataloader == whole.train_dataloader
