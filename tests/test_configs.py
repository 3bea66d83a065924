"""Every config of configs/: it is listed, and its model takes a step and predicts."""

import copy
import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch
import yaml
from mmdet.registry import MODELS
from mmdet.testing import demo_mm_inputs

from m2ist_mm.checkpoints import convert_detr
from m2ist_mm.config import apply_canvas, load_config_file
from m2ist_mm.datasets.refshapes.vocabulary import SHAPE_KINDS
from m2ist_mm.efficiency import TrainingStep

ROOT = Path(__file__).parents[1]
PATHS = sorted(
    path
    for path in (ROOT / 'configs').rglob('*.py')
    if '_base_' not in path.relative_to(ROOT).parts
)
DETECTORS = [path for path in PATHS if path.parent.name == 'pretrain']
GROUNDERS = [path for path in PATHS if path not in DETECTORS]
TINY = ROOT / 'configs/m2ist/m2ist_tiny_refshapes.py'


@cache
def load(path):
    return load_config_file(path)


def name_of(path):
    return str(path.relative_to(ROOT / 'configs'))


@pytest.mark.parametrize('path', GROUNDERS, ids=name_of)
def test_learning_rate_is_for_the_batch_of_the_config(path):
    config = load(path)  # --auto-scale-lr leaves its rate as it is
    assert config.auto_scale_lr == dict(
        enable=False, base_batch_size=config.train_dataloader.batch_size
    )


# -- models ----------------------------------------------------------------


@pytest.fixture(scope='module')
def towers():
    """Towers made so far: many models have the same."""
    return {}


@pytest.fixture
def fast_towers(towers, monkeypatch):
    """Making a tower's random weights takes seconds, a copy does not."""
    original = MODELS.build

    def build(config, *args, **kwargs):
        if 'Tower' not in str(config.get('type')):
            return original(config, *args, **kwargs)
        # the tokenizer lies in another folder every time
        key = repr({**config, 'tokenizer': None})
        if key not in towers:
            towers[key] = original(config, *args, **kwargs)
        tower = copy.deepcopy(towers[key])
        if 'tokenizer' in config:
            spec = tower.input_spec
            tower.input_spec = replace(spec, tokenizer=config['tokenizer'])
        return tower

    monkeypatch.setattr(MODELS, 'build', build)


def distinct_models():
    """One config for each model: most datasets share theirs."""
    paths = {}
    for path in GROUNDERS:
        paths.setdefault(repr(load(path).model), path)
    return list(paths.values())


@pytest.mark.slow
@pytest.mark.parametrize('path', distinct_models(), ids=name_of)
@pytest.mark.usefixtures('fast_towers')
def test_model_takes_a_step_and_predicts(path):
    """At full depth and width, on a canvas of a quarter of the length."""
    config = copy.deepcopy(load(path))
    if config.canvas[0] > 320:
        config.canvas = tuple(side // 4 for side in config.canvas)
        apply_canvas(config)
    step = TrainingStep(config)
    assert step.inputs.height == config.canvas[0]
    batch = step.inputs.batch(2, 1)
    loss = step.loss(batch)
    assert torch.isfinite(loss) and loss > 0
    loss.backward()
    named = list(step.model.named_parameters())
    assert any(p.grad is not None and p.grad.any() for _, p in named)
    # else a data-parallel training would wait for gradients that never come
    idle = [name for name, p in named if p.requires_grad and p.grad is None]
    assert bool(idle) == config.get('find_unused_parameters', False), idle
    assert all(p.grad is None for _, p in named if not p.requires_grad)

    step.model.eval()
    for sample in step.model.test_step(batch):
        (box,) = sample.pred_instances.bboxes
        assert (box >= 0).all() and (box[2:] >= box[:2]).all()
        assert (box <= torch.tensor(sample.ori_shape[::-1]).repeat(2)).all()


@pytest.mark.slow
@pytest.mark.parametrize(
    'line',
    [
        'canvas = (96, 128)',
        'model = dict(backbone=dict(vision=dict(backbone=dict(depth=34))))',
        'model = dict(backbone=dict(vision=dict(num_layers=4)))',
        'model = dict(backbone=dict(vision=dict(embed_dims=64)))',
        'model = dict(backbone=dict(language=dict(weights=None, arch=dict('
        "model_type='roberta', hidden_size=48, num_attention_heads=4))))",
        'model = dict(backbone=dict(language=dict(max_tokens=12)))',
        'model = dict(neck=dict(hidden_channels=32))',
        'model = dict(neck=dict(vision_layers=[0, 2], language_layers=[2, 5]))',
        "model = dict(neck=dict(experts=('vea',)))",
        'model = dict(bbox_head=dict(embed_dims=64))',
    ],
)
def test_one_line_changes_a_model(line, tmp_path):
    """No number has to be said twice."""
    path = tmp_path / 'changed.py'
    path.write_text(f'_base_ = {str(TINY)!r}\n{line}\n')
    changed = load_config_file(path)
    assert changed.model != load(TINY).model
    step = TrainingStep(changed)
    batch = step.inputs.batch(2, 2)
    before = {n: p.clone() for n, p in step.model.named_parameters()}
    step.train(batch)
    moved = {n for n, p in step.model.named_parameters() if not p.equal(before[n])}
    assert {name.partition('.')[0] for name in moved} == {'neck', 'bbox_head'}


@pytest.mark.parametrize('path', DETECTORS, ids=name_of)
@pytest.mark.slow
def test_detector_runs_a_loss_step_and_a_predict_step(path):
    torch.manual_seed(0)
    model = MODELS.build(copy.deepcopy(load(path).model))  # DETRHead changes it
    classes = model.bbox_head.num_classes
    packed = demo_mm_inputs(1, [(3, 96, 128)], num_items=[2], num_classes=classes)
    losses = model(**model.data_preprocessor(packed, True), mode='loss')
    assert all(torch.isfinite(loss) for loss in losses.values())
    model.eval()
    with torch.no_grad():
        (sample,) = model(**model.data_preprocessor(packed), mode='predict')
    assert len(sample.pred_instances) == load(path).model.test_cfg.max_per_img


@pytest.mark.parametrize(
    ('detector', 'grounder'),
    [
        ('conditional-detr_tiny_refshapes', 'm2ist_tiny_refshapes'),
        ('detr_r50_coco-minus-refcoco', 'm2ist_r50_refcoco'),
    ],
)
def test_detector_s_encoder_side_is_the_vision_tower(detector, grounder):
    """What tools/model_converters/detr_to_m2ist.py makes of one is the other."""
    vision = load(ROOT / f'configs/m2ist/{grounder}.py').model.backbone.vision
    with torch.device('meta'):
        settings = load(ROOT / f'configs/pretrain/{detector}.py').model
        source = MODELS.build(copy.deepcopy(settings))
        tower = MODELS.build({**vision, 'weights': None})
    shapes = {key: value.shape for key, value in tower.state_dict().items()}
    converted = convert_detr(source.state_dict())
    assert {key: value.shape for key, value in converted.items()} == shapes


def test_detector_of_refshapes_knows_the_kinds():
    (path,) = [path for path in DETECTORS if 'refshapes' in path.stem]
    config = load_config_file(path)
    for dataset in (config.train_dataloader.dataset, config.val_dataloader.dataset):
        assert tuple(dataset.metainfo.classes) == SHAPE_KINDS
    assert config.model.bbox_head.num_classes == len(SHAPE_KINDS)


# -- model index -----------------------------------------------------------


@cache
def read_yaml(path):
    return yaml.safe_load(path.read_text(encoding='utf-8'))


def metafiles():
    return sorted((ROOT / 'configs').glob('*/metafile.yml'))


def test_index_names_every_metafile():
    names = [str(path.relative_to(ROOT)) for path in metafiles()]
    assert sorted(read_yaml(ROOT / 'model-index.yml')['Import']) == names


def test_every_config_is_listed_once_in_the_metafile_of_its_family():
    for metafile in metafiles():
        configs = [p for p in PATHS if p.is_relative_to(metafile.parent)]
        listed = [model['Config'] for model in read_yaml(metafile)['Models']]
        assert sorted(listed) == [str(path.relative_to(ROOT)) for path in configs]
    families = {path.relative_to(ROOT / 'configs').parts[0] for path in PATHS}
    assert {metafile.parent.name for metafile in metafiles()} == families


@pytest.mark.parametrize('metafile', metafiles(), ids=name_of)
def test_metafile_names_configs_and_papers(metafile):
    content = read_yaml(metafile)
    collections = [collection['Name'] for collection in content['Collections']]
    assert set(collections) == {model['In Collection'] for model in content['Models']}
    for collection in content['Collections']:
        assert re.match(
            r'https://arxiv.org/abs/\d{4}\.\d{5}$', collection['Paper']['URL']
        )
        assert (ROOT / collection['README']).is_file()
    for model in content['Models']:
        assert model['Name'] == Path(model['Config']).stem
