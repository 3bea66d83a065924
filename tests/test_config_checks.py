from pathlib import Path

import pytest
from mmengine import Config

from m2ist_mm.config import load_config_file
from m2ist_mm.config_checks import check_config

CONFIGS = Path(__file__).parents[1] / 'configs'


@pytest.mark.parametrize(
    ('key', 'value', 'message'),
    [
        # names
        ('model.neck.hiden_channels', 3, 'M3ISA has no .*; the nearest: hidden_chan'),
        ('model.neck.type', 'M3IS', "'M3IS' is not registered; the nearest: M3ISA"),
        ('train_dataloader.batchsize', 3, 'DataLoader has no .*: batch_size'),
        ('train_dataloader.dataset.foo', 3, 'ReferDataset has no argument'),
        ('train_dataloader.dataset.pipeline.4.probb', 1, 'RECRandomFlip has .*: prob'),
        ('optim_wrapper.optimizer.lrr', 1, 'AdamW has no argument .*: lr'),
        ('optim_wrapper.clip_grad.maxnorm', 1, 'clip_grad_norm_ has no .*: max_norm'),
        ('train_cfg.max_epoch', 1, 'EpochBasedTrainLoop has no .*: max_epochs'),
        ('param_scheduler.0.gama', 1, 'MultiStepLR has no .*: gamma'),
        ('default_hooks.logger.type', 'LoggerHok', 'not registered; .*: LoggerHook'),
        ('val_evaluator.iou_thr', 0.5, 'RECMetric has no argument'),
        (
            'env_cfg.mp_cfg.mp_start_method',
            'frok',
            "must be 'fork' or 'spawn' or 'forks",
        ),
        ('env_cfg.cudnn_bench', True, 'EnvCfg has no .*; the nearest: cudnn_bench'),
        # types
        ('model.neck.share', 'maybe', "= 'maybe' must be True or False"),
        ('model.neck.scale', float('nan'), '= nan must be a finite number'),
        ('model.neck.vision_layers', 3, '= 3 must be list of int'),
        ('model.neck.hidden_channels', True, '= True must be int'),
        ('model.backbone', 3, r'= 3 must be dict\(...\)'),
        ('train_dataloader.sampler', b'x', r"sampler = b'x' must be dict\(...\)"),
        ('optim_wrapper.optimizer.lr', 'abc', "= 'abc' must be a finite number$"),
        ('param_scheduler.0.milestones', [1.5], r'= \[1.5\] must be list of int'),
        ('train_dataloader.num_workers', 1.5, '= 1.5 must be int'),
        ('train_dataloader.dataset.lowercase', 1, '= 1 must be True or False'),
        ('default_hooks', 3, r'= 3 must be dict\(...\) or None'),
        ('resume', 'maybe', 'must be True or False'),
        ('randomness.seed', 'abc', "= 'abc' must be int"),
        ('randomness.seed', 2**32, 'must be at least 0, at most 4294967295'),
        # ranges
        ('model.bbox_head.num_layers', 0, '= 0 must be at least 1'),
        ('model.bbox_head.loss_attention', -1, '= -1 must be at least 0'),
        ('model.bbox_head.loss_bbox.loss_weight', -1, '= -1 must be at least 0'),
        ('model.bbox_head.dropout', 1.5, '= 1.5 must be at least 0, at most 1'),
        ('model.backbone.vision.chunk', 0, '= 0 must be at least 1'),
        ('model.backbone.tuner', dict(type='LoRATuner', rank=0), 'tuner.rank = 0 must'),
        ('model.backbone.language.max_tokens', 2, '= 2 must be at least 3'),
        ('train_cfg.max_epochs', '', "= '' must be int"),
        ('train_cfg.val_interval', 0, '= 0 must be at least 1'),
        ('train_dataloader.batch_size', 1e29, r'= 1e\+29 must be int'),
        ('train_dataloader.batch_size', 10**20, 'must be at least 1, at most 2147'),
        ('param_scheduler.0.milestones', [-1], r'= \[-1\] must be at least 0'),
    ],
)
def test_what_cannot_be_built_is_named_before_anything_is(
    nano_path, key, value, message
):
    with pytest.raises(ValueError, match=message) as caught:
        load_config_file(nano_path, cfg_options={key: value})
    assert str(caught.value).startswith(f'{nano_path}: {key}')
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize(
    'path', sorted(CONFIGS.glob('[!_]*/*.py')), ids=lambda path: path.stem
)
def test_every_config_is_taken(path):
    load_config_file(path)


def test_parts_that_other_libraries_build_are_theirs_to_check():
    norm = dict(type='SyncBN', requires_grad=True)
    check_config(
        Config(
            dict(
                model=dict(
                    type='FasterRCNN',
                    backbone=dict(type='ResNet', norm_cfg=norm),
                    test_cfg=dict(nms=dict(type='nms', iou_threshold=0.5)),
                ),
                optim_wrapper=dict(paramwise_cfg=dict(bias_lr_mult=2.0)),
                variable=dict(type='Nothing'),
            )
        )
    )
    inner = dict(type='RECRandomFlip', probb=1)
    pipeline = [dict(type='RandomApply', transforms=[inner])]
    with pytest.raises(ValueError, match='transforms.0.probb: RECRandomFlip has no'):
        check_config(Config(dict(tta_pipeline=pipeline)))


def test_a_slip_in_a_name_at_the_top_is_named_and_variables_may_have_any():
    slip = Config(dict(optim_wraper=dict(optimizer=dict(lr=1))))
    with pytest.raises(ValueError, match='optim_wraper: nothing .* nearest: optim_wra'):
        check_config(slip)
    check_config(Config(dict(models=[1], test_pipelines=[], dataset_type='a')))


def test_size_of_the_tower_follows_canvas():
    path = CONFIGS / 'm2ist/m2ist_yolox-nano_flickr30k-part.py'
    options = {'model.backbone.vision.size': (320, 320)}
    with pytest.raises(ValueError, match='vision.size: it follows canvas.*give canvas'):
        load_config_file(path, cfg_options=options)
