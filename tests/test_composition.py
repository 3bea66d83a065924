"""Our parts with mmdet's and MMEngine's: docs/composition.md."""

import json
import os
import re
import runpy
import socket
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
import torch
from mmdet.registry import DATASETS, MODELS
from mmengine.runner import Runner

from m2ist_mm.config import load_config_file
from m2ist_mm.structures import Features, TowerFeatures
from m2ist_mm.visualization import expression_colors

ROOT = Path(__file__).resolve().parents[1]

FSDP = """
_base_ = './nano.py'
runner_type = 'FlexibleRunner'
# its end is not the end of the first part of the training
param_scheduler = [dict(type='MultiStepLR', milestones=[1], gamma=0.5, end=9)]
model = dict(bbox_head=dict(embed_dims=8, feedforward_channels=8, dropout=0.0))
on_cpu = dict(offload_to_cpu=False)
strategy = dict(
    type='FSDPStrategy',
    model_wrapper=dict(
        type='MMFullyShardedDataParallel', device_id='cpu',
        auto_wrap_policy=dict(
            type='torch.distributed.fsdp.wrap.size_based_auto_wrap_policy',
            min_num_params=3000)),
    state_dict_cfg=dict(
        state_dict_type='FULL_STATE_DICT',
        state_dict_config=dict(type='FullStateDictConfig', **on_cpu),
        optim_state_dict_config=dict(type='FullOptimStateDictConfig', **on_cpu)))
"""


@pytest.fixture(scope='module', autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def nano(nano_path):
    """Config file of a tiny real model: 3 epochs of 3 iterations."""
    return nano_path


def make_runner(path, work_dir, name, **changes):
    config = load_config_file(path)
    config.merge_from_dict(changes)
    config.work_dir = str(work_dir)
    config.experiment_name = name
    return Runner.from_cfg(config)


def logged(work_dir, key):
    (path,) = Path(work_dir).glob('*/vis_data/scalars.json')
    lines = map(json.loads, path.read_text().splitlines())
    return [line[key] for line in lines if key in line]


def load(path):
    return torch.load(path, weights_only=True)


def hook_of(runner, name):
    (hook,) = (hook for hook in runner.hooks if type(hook).__name__ == name)
    return hook


def code_blocks():
    page = (ROOT / 'docs/composition.md').read_text(encoding='utf-8')
    return re.findall(r'```python\n(.*?)```', page, flags=re.DOTALL)


# -- another head ----------------------------------------------------------


@pytest.mark.slow
def test_documented_head_trains_on_the_tokens_and_is_tested(nano, tmp_path):
    source, usage = code_blocks()
    if 'OneLookHead' not in MODELS:
        exec(source, {})
    model = load_config_file(nano).model
    model.bbox_head = dict(type=re.search(r"type='(\w+)'", usage)[1])
    changes = {'model': dict(_delete_=True, **model), 'train_cfg.max_epochs': 16}
    changes['train_cfg.val_interval'] = 16
    changes['optim_wrapper.optimizer.lr'] = 1e-2
    runner = make_runner(nano, tmp_path, 'head', **changes)
    towers = {k: v.clone() for k, v in runner.model.backbone.state_dict().items()}
    runner.train()
    losses = logged(tmp_path, 'loss')
    assert sum(losses[-3:]) / 3 < 0.85 * losses[0]
    after = runner.model.backbone.state_dict()
    assert all(torch.equal(after[name], value) for name, value in towers.items())
    saved = load(tmp_path / 'epoch_16.pth')['state_dict']
    assert {key.partition('.')[0] for key in saved} == {'neck', 'bbox_head'}
    # the side networks have learnt through the other head
    assert any(saved[key].any() for key in saved if re.search(r'neck.*up', key))

    # what it says about its inputs: padding is never looked at
    head = runner.model.bbox_head.eval()
    vision, language = torch.randn(1, 12, 32), torch.randn(2, 3, 48)
    mask = torch.zeros(1, 12, dtype=torch.bool)
    mask[0, 5:] = True
    features = Features(
        TowerFeatures(vision, mask),
        TowerFeatures(language, mask.new_zeros(2, 3)),
        torch.tensor([0, 0]),
    )
    boxes = head(features)
    vision[0, 5:] = 9
    torch.testing.assert_close(head(features), boxes)
    vision[0, 4] = 9
    assert (head(features) - boxes).abs().max() > 1e-3


# -- hooks -----------------------------------------------------------------


@pytest.mark.slow
def test_averaged_weights_are_saved_tested_and_resumed(nano, tmp_path, run_tool):
    average = dict(custom_hooks=[dict(type='EMAHook', momentum=0.3, strict_load=True)])
    whole = make_runner(nano, tmp_path / 'whole', 'ema', **average)
    towers = {k: v.clone() for k, v in whole.model.backbone.state_dict().items()}
    whole.train()
    averaged = hook_of(whole, 'EMAHook').ema_model.module
    for name, value in towers.items():
        assert torch.equal(averaged.backbone.state_dict()[name], value), name
        assert torch.equal(whole.model.backbone.state_dict()[name], value), name

    saved = load(tmp_path / 'whole/epoch_3.pth')['state_dict']
    assert not any(key.startswith('backbone.') for key in saved)
    for key, value in saved.items():
        assert torch.equal(value, averaged.state_dict()[key]), key
    table = 'bbox_head.position_embedding.weight'
    assert not torch.equal(saved[table], whole.model.state_dict()[table])

    out = tmp_path / 'results.json'
    options = ('--work-dir', tmp_path / 'test', '--out', out)
    code = run_tool('tools/test.py', nano, tmp_path / 'whole/epoch_3.pth', *options)
    assert code == 0
    overlaps = [entry['iou'] for entry in json.loads(out.read_text())]
    validated = logged(tmp_path / 'whole', 'rec/mIoU')[-1]
    assert 100 * sum(overlaps) / 8 == pytest.approx(validated, abs=1e-4)

    first = {'train_cfg.max_epochs': 2, **average}
    make_runner(nano, tmp_path / 'two', 'ema2', **first).train()
    resumed = make_runner(nano, tmp_path / 'two', 'ema3', resume=True, **average)
    resumed.train()
    again = hook_of(resumed, 'EMAHook').ema_model
    expected = hook_of(whole, 'EMAHook').ema_model.state_dict()
    for key, value in again.state_dict().items():
        assert torch.equal(value, expected[key]), key
    for key, value in resumed.model.state_dict().items():
        assert torch.equal(value, whole.model.state_dict()[key]), key


@pytest.mark.slow
def test_hooks_of_mmdet_and_mmengine_run_on_ours(nano, tmp_path):
    config = load_config_file(nano)
    trace = tmp_path / 'trace.json'
    pipeline = config.train_dataloader.dataset.pipeline
    fixed = [step for step in pipeline if step['type'] != 'RECRandomFlip']
    assert len(fixed) < len(pipeline)
    hooks = [
        dict(type='CheckInvalidLossHook', interval=1),
        dict(
            type='PipelineSwitchHook',
            switch_epoch=1,
            switch_pipeline=fixed,
        ),
        dict(
            type='EarlyStoppingHook',
            monitor='rec/P@0.5',
            rule='greater',
            min_delta=101,  # no epoch is so much better
            patience=1,
        ),
        dict(type='DetVisualizationHook', draw=True, interval=1),
        dict(type='ProfilerHook', by_epoch=False, json_trace_path=str(trace)),
    ]
    runner = make_runner(nano, tmp_path, 'hooks', custom_hooks=hooks)
    runner.train()
    assert runner.epoch == 2  # stopped before the third
    events = json.loads(trace.read_text())['traceEvents']
    assert 'aten::linear' in {event.get('name') for event in events}
    steps = runner.train_dataloader.dataset.pipeline.transforms
    assert [type(step).__name__ for step in steps] == [
        step['type'].rpartition('.')[2] for step in fixed
    ]
    drawn = list(tmp_path.glob('*/vis_data/vis_image/val_img_*.png'))
    assert drawn
    image = cv2.imread(str(drawn[0]))[..., ::-1]
    # the predicted box and the dashed true one
    (color,) = expression_colors(1)
    assert (abs(image.astype(int) - color).max(axis=-1) < 40).sum() > 40


# -- wrappers of datasets -------------------------------------------------


def test_repetitions_within_an_epoch_are_the_same_and_over_epochs_are_not(nano):
    from m2ist_mm.engine.hooks.epoch_seed_hook import set_epoch

    inner = load_config_file(nano).train_dataset
    dataset = DATASETS.build(dict(type='RepeatDataset', dataset=inner, times=2))
    assert len(dataset) == 24
    set_epoch(dataset, 0)
    first, again = dataset[3], dataset[15]
    assert torch.equal(first['inputs'], again['inputs'])
    assert first['data_samples'].text == again['data_samples'].text
    set_epoch(dataset, 1)
    assert not torch.equal(dataset[3]['inputs'], first['inputs'])


def test_class_balance_changes_nothing(nano):
    inner = load_config_file(nano).train_dataset
    plain = DATASETS.build(inner)
    wrapped = dict(type='ClassBalancedDataset', dataset=inner, oversample_thr=0.9)
    balanced = DATASETS.build(wrapped)
    ids = [
        [data[i]['data_samples'].sent_id for i in range(len(data))]
        for data in (plain, balanced)
    ]
    assert ids[0] == ids[1]


# -- test-time augmentation ------------------------------------------------


@pytest.mark.slow
def test_tta_averages_each_image_s_box_with_its_mirror_image_s(
    nano, tmp_path, run_tool
):
    checkpoint = tmp_path / 'start.pth'
    model = MODELS.build(load_config_file(nano).model)
    model.init_weights()
    for parameter in model.neck.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    torch.save(dict(state_dict=model.state_dict(), meta={}), checkpoint)
    mirrored = nano.with_name('mirrored.py')
    config = load_config_file(nano)
    flip = dict(type='RECRandomFlip', prob=1)
    config.test_dataloader.dataset.pipeline.insert(2, flip)
    config.dump(mirrored)

    def test(config, name, *options):
        out = tmp_path / f'{name}.json'
        arguments = (config, checkpoint, '--out', out, '--work-dir', tmp_path / name)
        assert run_tool('tools/test.py', *arguments, *options) == 0
        return json.loads(out.read_text())

    plain = test(nano, 'plain')
    both = test(nano, 'tta', '--tta')
    flipped = test(mirrored, 'flipped')
    assert [row['text'] for row in both] == [row['text'] for row in plain]
    assert flipped[0]['text'] == 'right block' != plain[0]['text']
    changed = 0
    for row, one, other in zip(both, plain, flipped, strict=True):
        pair = one['pred_bbox'], other['pred_bbox']
        mean = [(a + b) / 2 for a, b in zip(*pair, strict=True)]
        assert row['pred_bbox'] == pytest.approx(mean, abs=1e-3)
        assert row['gt_bbox'] == one['gt_bbox']
        changed += abs(mean[0] - one['pred_bbox'][0]) > 0.5
    assert changed


def test_tta_pipeline_of_a_config_is_taken(nano, tmp_path):
    config = load_config_file(ROOT / 'configs/m2ist/m2ist_vitb_tta_refcoco.py')
    tool = runpy.run_path(str(ROOT / 'tools/test.py'))
    tool['use_test_time_augmentation'](config)
    assert config.model.type == 'RECTTAModel'
    assert config.model.module.type == 'SideTunedGrounder'
    data = {**load_config_file(nano).val_dataset}
    data['pipeline'] = config.test_dataloader.dataset.pipeline
    views = DATASETS.build(data)[0]['data_samples']
    regions = [v.placement.region for v in views]
    sides = [max(x2 - x1, y2 - y1) for x1, y1, x2, y2 in regions]
    words = [v.text[0].partition(' ')[0] for v in views]
    shown = list(zip(sides, [v.flip for v in views], words, strict=True))
    assert shown == [
        (448, False, 'left'),
        (448, True, 'right'),
        (384, False, 'left'),
        (384, True, 'right'),
    ]


def test_tta_needs_to_know_where_to_mirror(nano):
    config = load_config_file(nano)
    del config.test_dataloader.dataset.pipeline[2]
    tool = runpy.run_path(str(ROOT / 'tools/test.py'))
    with pytest.raises(ValueError, match='has no PadToCanvas; .* a tta_pipeline'):
        tool['use_test_time_augmentation'](config)


# -- strategies ------------------------------------------------------------


@pytest.mark.slow
def test_two_processes_with_shards_train_and_resume_like_one_without(nano, tmp_path):
    sharded = nano.with_name('fsdp.py')
    sharded.write_text(FSDP)
    work_dir = tmp_path / 'sharded'
    for epochs in (1, 2):
        with socket.socket() as free:
            free.bind(('127.0.0.1', 0))
            port = free.getsockname()[1]
        done = subprocess.run(
            [
                *(sys.executable, '-m', 'torch.distributed.run', '--nproc_per_node=2'),
                *(f'--master_port={port}', 'tools/train.py', str(sharded)),
                *('--launcher', 'pytorch', '--work-dir', str(work_dir), '--resume'),
                *('--cfg-options', 'train_dataloader.batch_size=2'),
                f'train_cfg.max_epochs={epochs}',
            ],
            env={
                **os.environ,
                'PYTHONPATH': os.pathsep.join(map(str, [ROOT, *sys.path])),
                'OMP_NUM_THREADS': '1',
            },
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr[-3000:]

    config = load_config_file(sharded)
    changes = {'model': config.model, 'param_scheduler': config.param_scheduler}
    changes['train_cfg.max_epochs'] = 2
    one = make_runner(nano, tmp_path / 'one', 'unsharded', **changes)
    one.train()
    for epoch in (1, 2):
        name = f'epoch_{epoch}.pth'
        shards, whole = load(work_dir / name), load(tmp_path / 'one' / name)
        for key in ('towers', 'epoch', 'iter'):
            assert shards['meta'][key] == whole['meta'][key]
        assert shards['state_dict'].keys() == whole['state_dict'].keys()
        for key, value in shards['state_dict'].items():
            expected = whole['state_dict'][key]
            if key.endswith('in_proj_bias'):
                # its keys' third has no gradient but rounding noise
                value, expected = (
                    torch.cat(x.chunk(3)[::2]) for x in (value, expected)
                )
            torch.testing.assert_close(value, expected, rtol=0, atol=1e-5, msg=key)


def test_shards_are_refused_as_checkpoints(nano, monkeypatch):
    from torch.distributed.fsdp import FullyShardedDataParallel

    from m2ist_mm.checkpoints.hooks import TunedCheckpointHook

    class Sharded(FullyShardedDataParallel):
        def __init__(self):
            torch.nn.Module.__init__(self)

    runner = type('Runner', (), dict(model=Sharded()))()
    settings = type('', (), dict(state_dict_type=None))
    monkeypatch.setattr(
        FullyShardedDataParallel, 'get_state_dict_type', lambda model: settings
    )
    with pytest.raises(ValueError, match="set strategy.state_dict_cfg='full'"):
        TunedCheckpointHook().before_train(runner)
