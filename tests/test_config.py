from pathlib import Path

import pytest
from mmdet.models.losses import L1Loss
from mmdet.registry import METRICS, MODELS, TRANSFORMS
from mmengine import Config
from torch import nn

from m2ist_mm.config import (
    OLD_KEYS,
    apply_canvas,
    iter_dataset_configs,
    load_config_file,
    set_data_root,
)
from m2ist_mm.datasets.transforms import ResizeToFit
from m2ist_mm.evaluation import RECMetric
from m2ist_mm.models.towers import VisionTower


def build_config():
    leaf = dict(type='ReferDataset', data_root='old/')
    return Config(
        dict(
            data_root='old/',
            train_dataloader=dict(
                dataset=dict(type='RepeatDataset', times=2, dataset=dict(leaf))
            ),
            val_dataloader=dict(dataset=dict(leaf)),
            test_dataloader=dict(
                dataset=dict(
                    type='ConcatDataset',
                    datasets=[{**leaf, 'split': 'a'}, {**leaf, 'split': 'b'}],
                )
            ),
        )
    )


def test_data_sets_are_found_inside_wrappers_and_in_order():
    found = [
        (loader, d.get('split')) for loader, d in iter_dataset_configs(build_config())
    ]
    assert found == [('train', None), ('val', None), ('test', 'a'), ('test', 'b')]


def test_loaders_may_be_absent_or_none():
    assert list(iter_dataset_configs(Config(dict(val_dataloader=None)))) == []


def test_one_call_moves_all_data_sets():
    cfg = build_config()
    set_data_root(cfg, 'new/')
    assert {dataset.data_root for _, dataset in iter_dataset_configs(cfg)} == {'new/'}
    assert cfg.data_root == 'new/'
    assert 'old/' not in cfg.pretty_text


def test_classes_get_their_names(nano_path, tmp_path):
    path = tmp_path / 'classes.py'
    path.write_text(
        f"_base_ = '{nano_path}'\n"
        'from m2ist_mm.evaluation import RECMetric\n'
        'val_evaluator = [dict(type=RECMetric)]\n'
    )
    config = load_config_file(path)
    config.dump(tmp_path / 'dumped.py')
    (evaluator,) = Config.fromfile(tmp_path / 'dumped.py').val_evaluator
    assert evaluator.type.endswith('.RECMetric')
    assert type(METRICS.build(evaluator)) is RECMetric


def test_classes_in_modules_named_after_a_function_are_found(nano_path, tmp_path):
    path = tmp_path / 'classes.py'
    path.write_text(
        f"_base_ = '{nano_path}'\n"
        'from mmdet.models.losses import L1Loss\n'
        'model = dict(bbox_head=dict(loss_bbox=dict(_delete_=True, type=L1Loss)))\n'
    )
    loss = load_config_file(path).model.bbox_head.loss_bbox
    assert type(MODELS.build(loss)) is L1Loss


def test_a_variable_or_an_unknown_name_cannot_be_changed(nano_path, tmp_path):
    path = tmp_path / 'variable.py'
    path.write_text(f"_base_ = '{nano_path}'\nmy_lr = 1\n")
    for name, words in {
        'my_lr': 'my_lr is a variable of .*variable.py, and was copied',
        'optim_wraper.optimizer.lr': 'nothing reads optim_wraper; the nearest: optim_w',
        'device': 'nothing reads device$',
    }.items():
        with pytest.raises(ValueError, match=f'^--cfg-options {name}: {words}'):
            load_config_file(path, cfg_options={name: 1})
    options = dict(canvas=(64, 96), find_unused_parameters=True)
    assert load_config_file(path, cfg_options=options).find_unused_parameters


def test_workers_are_not_kept_where_there_are_none(nano_path, tmp_path):
    path = tmp_path / 'workers.py'
    loader = 'dict(num_workers=2, persistent_workers=True, prefetch_factor=4)'
    path.write_text(f"_base_ = '{nano_path}'\ntrain_dataloader = {loader}\n")
    loader = load_config_file(path).train_dataloader
    assert (loader.persistent_workers, loader.prefetch_factor) == (True, 4)
    none = {'train_dataloader.num_workers': 0}
    loader = load_config_file(path, cfg_options=none).train_dataloader
    assert not {'persistent_workers', 'prefetch_factor'} & set(loader)


# -- canvas ----------------------------------------------------------------

RESIZE = dict(type='Resize', scale=(200, 100), keep_ratio=True)
PAD = dict(type='mmdet.PadToCanvas', size=(200, 100))


def test_every_pipeline_gets_the_canvas():
    """Of wrapped datasets, of TTA, of hooks; each once, also where they are shared."""
    dataset = dict(type='ReferDataset', pipeline=[RESIZE, PAD])
    config = Config(
        dict(
            canvas=(50, 400),
            train_dataloader=dict(
                dataset=dict(type='ConcatDataset', datasets=[dataset, dataset])
            ),
            test_dataloader=dict(dataset=dataset),
            tta_pipeline=[
                dict(
                    type='TestTimeAug',
                    transforms=[
                        [RESIZE, dict(type='Resize', scale=(100, 50))],
                        [PAD],
                    ],
                )
            ],
            custom_hooks=[
                dict(type='PipelineSwitchHook', switch_pipeline=[RESIZE, PAD])
            ],
        )
    )
    apply_canvas(config)
    datasets = [dataset for _, dataset in iter_dataset_configs(config)]
    assert len(datasets) == 3
    pipelines = [dataset.pipeline for dataset in datasets]
    pipelines.append(config.custom_hooks[0].switch_pipeline)
    for resize, pad in pipelines:
        assert (resize.scale, pad.size) == ((400, 50), (400, 50))
    (large, small), (pad,) = config.tta_pipeline[0].transforms
    assert (large.scale, small.scale, pad.size) == ((400, 50), (200, 25), (400, 50))

    once = config.pretty_text
    apply_canvas(config)
    assert config.pretty_text == once


def fit(*steps, canvas):
    config = Config(dict(canvas=canvas, test_pipeline=[*steps, PAD]))
    apply_canvas(config)
    return config.test_pipeline


def test_edge_without_a_direction_still_fits_the_canvas():
    shortest = dict(type='RandomChoiceResize', scales=[80, 90], max_size=180)
    steps = fit(
        dict(type='Resize', scale=100),
        dict(shortest, resize_type='ResizeShortestEdge'),
        dict(type='RandomResize', scale=[(100, 50), (200, 100)]),
        dict(type='RandomApply', transforms=[dict(type='ReferentCrop', max_size=60)]),
        canvas=(50, 200),
    )
    assert steps[0].scale == 50
    assert (steps[1].scales, steps[1].max_size) == ([40, 45], 90)
    assert steps[2].scale == [(100, 25), (200, 50)]
    assert steps[3].transforms[0].max_size == 30


def test_pipeline_of_the_canvas_stays_as_it_is():
    odd = dict(type='Resize', scale=(333, 77))
    assert fit(odd, canvas=(100, 200))[0].scale == (333, 77)


def test_transform_of_ones_own_is_fitted_as_what_it_derives_from(monkeypatch):
    class MyResize(ResizeToFit):
        pass

    monkeypatch.setitem(TRANSFORMS.module_dict, 'MyResize', MyResize)
    own = dict(type='MyResize', scale=(200, 100))
    config = Config(dict(canvas=(50, 400), test_pipeline=[own, PAD]))
    apply_canvas(config)
    assert config.test_pipeline[0].scale == (400, 50)


def test_config_without_a_canvas_stays_as_it_is():
    config = Config(dict(test_pipeline=[PAD]))
    apply_canvas(config)
    assert config.test_pipeline[0].size == (200, 100)


@pytest.mark.parametrize('canvas', [448, (448,), (0, 448), (4.5, 448), 'large'])
def test_canvas_that_is_none_is_refused(canvas):
    with pytest.raises(ValueError, match='height and width in pixels'):
        fit(canvas=canvas)


def test_pipeline_of_two_canvases_is_refused():
    with pytest.raises(ValueError, match='PadToCanvas of several sizes'):
        fit(dict(type='PadToCanvas', size=(9, 9)), canvas=(100, 100))


@pytest.fixture
def tower_types():
    """Names of a vision tower, and of another backbone."""

    class Fixed(VisionTower):
        pass

    class Free(nn.Module):
        pass

    for tower in (Fixed, Free):
        MODELS.register_module(module=tower, name=f'Canvas{tower.__name__}')
    yield 'CanvasFixed', 'CanvasFree'
    for name in ('CanvasFixed', 'CanvasFree'):
        MODELS.module_dict.pop(name)


def test_vision_tower_gets_the_canvas_as_height_and_width(tower_types):
    for name, size in zip(tower_types, [(50, 400), None], strict=True):
        tower = dict(type=name)
        config = Config(dict(canvas=[50, 400], model=dict(backbone=dict(vision=tower))))
        apply_canvas(config)
        assert config.model.backbone.vision.get('size') == size


# -- files -----------------------------------------------------------------


def test_options_of_a_file_are_applied_before_the_canvas(tmp_path):
    path = tmp_path / 'some.py'
    path.write_text(f"canvas = (100, 200)\ntest_pipeline = [{PAD}]\ndata_root = 'a/'\n")
    config = load_config_file(path, 'b/', {'canvas': (10, 30)})
    assert config.test_pipeline[0].size == (30, 10)
    assert config.data_root == 'b/'


def test_key_of_an_earlier_version_is_named_with_what_to_write(tmp_path):
    path = tmp_path / 'old.py'
    path.write_text('canvas_448 = dict(train=[], test=[])\n')
    with pytest.raises(ValueError, match=r'old.py: canvas_448 .*: write canvas = \(h'):
        load_config_file(path)


def test_width_of_a_backbone_alone_is_a_key_of_an_earlier_version(nano_path):
    options = {'model.backbone.vision.embed_dims': 32}
    load_config_file(nano_path, cfg_options=options)  # another tower's width
    options['model.backbone.vision.type'] = 'BackboneTower'
    with pytest.raises(ValueError, match=r'vision\.embed_dims is a key .*: leave it'):
        load_config_file(nano_path, cfg_options=options)


def test_page_for_those_who_come_from_an_earlier_version_has_every_old_key():
    page = Path(__file__).parents[1].joinpath('docs/migration.md').read_text('utf-8')
    # the widths of canvas_640 and its like differ, the remedy does not
    missing = {
        key
        for key in OLD_KEYS
        if key.rpartition('.')[2] not in page and not key.startswith('canvas_')
    }
    assert missing == set()


@pytest.mark.parametrize(
    ('content', 'reason'),
    [
        (b'x = (', 'SyntaxError'),
        (b"_base_ = './nope.py'", r'nope\.py'),
        (b'x = 1 / 0', 'ZeroDivisionError: division by zero'),
        (b"x = '\xe2'", 'UnicodeDecodeError'),
    ],
)
def test_a_config_that_cannot_be_read_is_named(tmp_path, content, reason):
    path = tmp_path / 'broken.py'
    path.write_bytes(content)
    message = rf'broken\.py: cannot be read as a config: .*{reason}'
    with pytest.raises(ValueError, match=message):
        load_config_file(path)


@pytest.mark.parametrize('data_root', [None, 'new/'])
@pytest.mark.parametrize('cfg_options', [None, {'val_dataloader': True}])
def test_a_data_loader_that_is_no_dict_is_named(tmp_path, data_root, cfg_options):
    path = tmp_path / 'loader.py'
    path.write_text('' if cfg_options else 'val_dataloader = True')
    with pytest.raises(ValueError, match=r'loader\.py: val_dataloader = True must be'):
        load_config_file(path, data_root, cfg_options)


@pytest.mark.parametrize('key', ['a.deeper.still', 'b.c'])
def test_an_option_below_a_value_is_named(tmp_path, key):
    path = tmp_path / 'small.py'
    path.write_text('a = 1\nb = (1, 2)\n')
    with pytest.raises(ValueError, match=f'--cfg-options {key}: .*small.py'):
        load_config_file(path, cfg_options={key: 1})


def test_a_default_hook_that_is_none_is_no_hook(tmp_path):
    path = tmp_path / 'config.py'
    path.write_text("default_hooks = dict(a=dict(type='A'), b=None, checkpoint=None)")
    hooks = load_config_file(path, cfg_options={'default_hooks.a': None}).default_hooks
    assert hooks == dict(checkpoint=None)
