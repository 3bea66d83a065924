"""The paper's ablations, as configs and as options."""

import copy
from pathlib import Path

import pytest
import torch
from mmdet.registry import MODELS
from mmengine import Config

CONFIGS = Path(__file__).parents[3] / 'configs/m2ist'
PREFIX = 'm2ist_r50_refcoco'
# a pair of layers, h = 128
EXPERTS = dict(
    vea=2 * 256 * 128 + 128 + 256 + 2 * 256,
    lea=2 * 768 * 128 + 128 + 768 + 2 * 768,
    iea=(256 + 768) * 128 + 2 * 128 + 768 * (128 + 1),
)
FIRST_SIX = [0, 1, 2, 3, 4, 5]


def load(name=None):
    path = f'{PREFIX}.py' if name is None else f'ablations/{PREFIX}_{name}.py'
    return Config.fromfile(CONFIGS / path).model


@pytest.fixture(scope='module')
def build():
    """Builds the side networks of a model config on its towers, without memory."""
    backbone = load().backbone
    random = copy.deepcopy(backbone)
    random.vision.weights = random.language.weights = None
    with torch.device('meta'):
        towers = MODELS.build(random).towers

    def build(model):
        assert model.backbone == backbone  # the side networks alone differ
        return MODELS.build(model.neck, default_args=dict(towers=towers))

    return build


@pytest.fixture(scope='module')
def size(build):
    def size(model):
        return sum(parameter.numel() for parameter in build(model).parameters())

    return size


def test_every_ablation_is_known():
    found = {path.stem.removeprefix(PREFIX + '_') for path in CONFIGS.glob('abl*/*')}
    assert found - {'__pycache__'} == {
        *('vea', 'lea', 'iea', 'vea-lea', 'vea-iea', 'lea-iea', 'no-side'),
        *('taps-swapped', 'taps-attention', 'taps-ffn'),
        *('pairs-last-six', 'pairs-alternate', 'pairs-twelve'),
    }


@pytest.mark.parametrize(
    'name', ['vea', 'lea', 'iea', 'vea-lea', 'vea-iea', 'lea-iea', 'no-side', None]
)
def test_experts(size, name):
    experts = set(EXPERTS) if name is None else set(name.split('-')) & set(EXPERTS)
    model = load(name)
    assert set(model.neck.get('experts', EXPERTS)) == experts
    assert size(model) == 6 * sum(EXPERTS[expert] for expert in experts)


@pytest.mark.parametrize(
    ('name', 'taps'),
    [
        (None, dict(vea='ffn', lea='ffn', iea='attention')),
        ('taps-swapped', dict(vea='attention', lea='attention', iea='ffn')),
        ('taps-attention', dict.fromkeys(EXPERTS, 'attention')),
        ('taps-ffn', dict.fromkeys(EXPERTS, 'ffn')),
    ],
)
def test_taps(build, size, name, taps):
    model = load(name)
    assert build(model).taps == taps
    assert size(model) == 2_975_232


@pytest.mark.parametrize(
    ('name', 'vision', 'language'),
    [
        (None, FIRST_SIX, FIRST_SIX),
        ('pairs-last-six', FIRST_SIX, [6, 7, 8, 9, 10, 11]),
        ('pairs-alternate', FIRST_SIX, [1, 3, 5, 7, 9, 11]),
        ('pairs-twelve', [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5], list(range(12))),
    ],
)
def test_pairs(size, name, vision, language):
    model = load(name)
    assert model.neck.vision_layers == vision
    assert model.neck.language_layers == language
    assert size(model) == len(vision) * 495_872


@pytest.mark.parametrize('width', [32, 64, 128, 256])
def test_width(size, width):
    config = Config.fromfile(CONFIGS / f'{PREFIX}.py')
    config.merge_from_dict({'model.neck.hidden_channels': width})
    norms = 2 * (256 + 768)
    matrices = 2 * 256 * width + 2 * 768 * width + (256 + 768 + 768) * width
    biases = 4 * width + 256 + 768 + 768
    assert size(config.model) == 6 * (norms + matrices + biases)


def test_share_and_scale(build, size):
    config = Config.fromfile(CONFIGS / f'{PREFIX}.py')
    config.merge_from_dict({'model.neck.share': False, 'model.neck.scale': 1.0})
    assert size(config.model) == 2_975_232 + 6 * (128 * 256 + 256)
    assert build(config.model).vea[0].scale == 1.0
