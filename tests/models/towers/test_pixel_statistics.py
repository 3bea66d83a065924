import json
import shutil
from pathlib import Path

import pytest
import torch
from mmdet.registry import MODELS
from mmengine import ConfigDict
from transformers import AutoConfig, AutoModel

IMAGENET = dict(image_mean=[0.485, 0.456, 0.406], image_std=[0.229, 0.224, 0.225])
IMAGENET_PIXELS = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
HALF = ((127.5,) * 3,) * 2
ARCH = dict(
    model_type='vit',
    image_size=32,
    patch_size=16,
    hidden_size=32,
    num_hidden_layers=2,
    num_attention_heads=4,
    intermediate_size=64,
)


def save_weights(folder, arch, settings=None):
    model = AutoModel.from_config(AutoConfig.for_model(**arch))
    model.save_pretrained(folder)
    if settings is not None:
        write_settings(folder, settings)
    return ConfigDict(
        type='TransformersVisionTower', size=(128, 96), weights=str(folder)
    )


def write_settings(folder, settings):
    text = settings if isinstance(settings, str) else json.dumps(settings)
    (Path(folder) / 'preprocessor_config.json').write_text(text)


@pytest.fixture
def config(tmp_path):
    """Config of a tiny ViT with weights in a folder."""
    return save_weights(tmp_path / 'vit', ARCH)


def statistics(config):
    spec = MODELS.build(config).input_spec
    assert (spec.size, spec.channel_order) == ((128, 96), 'rgb')
    return spec.mean, spec.std


@pytest.mark.parametrize(
    ('settings', 'mean', 'std'),
    [
        # an old file, as that of facebook/dino-vitb16
        (IMAGENET, *IMAGENET_PIXELS),
        (
            dict(IMAGENET, rescale_factor=1 / 255, do_rescale=True, do_normalize=True),
            *IMAGENET_PIXELS,
        ),
        # null is not stated
        (dict(IMAGENET, do_rescale=None, do_normalize=None), *IMAGENET_PIXELS),
        (dict(do_normalize=False), (0, 0, 0), (255, 255, 255)),
        (dict(IMAGENET, do_normalize=False), (0, 0, 0), (255, 255, 255)),
        # (p / 100 - mean) / std
        (
            dict(image_mean=[1, 2, 0], image_std=[0.5, 1, 2], rescale_factor=0.01),
            (100, 200, 0),
            (50, 100, 200),
        ),
    ],
)
def test_statistics_of_the_weights_count(config, settings, mean, std):
    write_settings(config.weights, settings)
    assert statistics(config) == (mean, std)


@pytest.mark.parametrize(
    ('settings', 'words'),
    [
        ('{"image_mean": [0.5', 'Expecting'),
        ('[]', 'no settings of an image processor'),
        ({}, 'mean must be 3 finite numbers'),
        (dict(IMAGENET, image_mean=[0.5]), 'mean must be 3 finite numbers'),
        (dict(IMAGENET, image_mean=0.5), 'mean must be 3 finite numbers'),
        (dict(IMAGENET, image_mean=['0.5'] * 3), 'mean must be 3 finite numbers'),
        (dict(IMAGENET, image_std=None), 'std must be 3 finite numbers'),
        (dict(IMAGENET, image_std=[0.5, float('nan'), 1]), 'std must be 3 finite'),
        (dict(IMAGENET, image_std=[0.5, 0, 1]), 'std must be above 0'),
        (dict(IMAGENET, rescale_factor=0), 'rescale_factor must be a number above 0'),
        (dict(IMAGENET, rescale_factor='1/255'), 'rescale_factor must be a number'),
        (dict(IMAGENET, rescale_factor=None), 'rescale_factor must be a number'),
        (dict(IMAGENET, do_rescale=False), 'do_rescale is false'),
    ],
)
def test_file_without_statistics_is_refused_in_one_line(config, settings, words):
    write_settings(config.weights, settings)
    with pytest.raises(ValueError) as error:
        MODELS.build(config)
    path = Path(config.weights) / 'preprocessor_config.json'
    assert str(error.value).startswith(f'{path}: {words}')
    assert '\n' not in str(error.value)


@pytest.fixture
def log(monkeypatch):
    """What the tower tells."""
    lines = []
    monkeypatch.setattr(
        'm2ist_mm.models.towers.transformers_vision_tower.print_log',
        lambda line, **_: lines.append(line),
    )
    return lines


def test_weights_without_the_file_have_the_architectures_statistics(config, log):
    assert statistics(config) == HALF
    assert log == [
        f'no preprocessor_config.json of {config.weights!r} was found: mean and std '
        "are those that are usual for 'vit'"
    ]


@pytest.mark.parametrize(
    ('model_type', 'expected'), [('vit', HALF), ('dinov2', IMAGENET_PIXELS)]
)
def test_random_tower_has_the_architectures_statistics(log, model_type, expected):
    config = ConfigDict(
        type='TransformersVisionTower',
        size=(128, 96),
        weights=None,
        arch=dict(ARCH, model_type=model_type),
    )
    assert statistics(config) == expected
    assert not log


def test_statistics_of_the_weights_reach_the_model(
    make_model, model_config, config, make_sample, collate, log
):
    write_settings(config.weights, IMAGENET)
    model_config.backbone.vision = config
    packed = make_sample('red', [0, 0, 1, 1])
    red = packed['inputs'][2].clone()  # of BGR
    images = make_model(model_config).data_preprocessor(collate(packed))['inputs']
    torch.testing.assert_close(images['images'][0, 0], (red - 123.675) / 58.395)
    # what the config states still wins
    model_config.data_preprocessor = dict(mean=[1, 2, 3])
    preprocessor = make_model(model_config).data_preprocessor
    assert preprocessor.mean.flatten().tolist() == [1, 2, 3]
    assert preprocessor.input_spec.std == IMAGENET_PIXELS[1]
    assert not log


def test_architecture_outside_the_table_needs_statistics(
    make_model, model_config, tmp_path, log
):
    vision = save_weights(tmp_path / 'deit', dict(ARCH, model_type='deit'))
    vision.taps = dict.fromkeys(('attention', 'ffn'), [['model.layernorm'] * 2])
    assert statistics(vision) == (None, None)
    model_config.backbone.vision = vision
    with pytest.raises(ValueError, match='neither the towers nor the config say mean'):
        make_model(model_config)
    model_config.data_preprocessor = dict(mean=[1, 2, 3], std=[4, 5, 6])
    preprocessor = make_model(model_config).data_preprocessor
    assert preprocessor.std.flatten().tolist() == [4, 5, 6]
    write_settings(vision.weights, IMAGENET)
    assert statistics(vision) == IMAGENET_PIXELS
    assert not log


@pytest.fixture
def hub_cache(tmp_path, monkeypatch, no_hub):
    """Moves a folder into the cache of the hub, which is not asked itself."""
    cache = tmp_path / 'hub'
    monkeypatch.setattr('huggingface_hub.constants.HF_HUB_CACHE', str(cache))
    # transformers 4
    name = 'transformers.utils.hub.TRANSFORMERS_CACHE'
    monkeypatch.setattr(name, str(cache), raising=False)

    def move(folder, commit):
        repository = cache / 'models--some--vit'
        (repository / 'refs').mkdir(parents=True, exist_ok=True)
        (repository / 'refs' / 'main').write_text(commit)
        shutil.move(folder, repository / 'snapshots' / commit)

    return move


def test_statistics_of_a_hub_name_are_those_of_the_revision(
    hub_cache, tmp_path, config
):
    first, second, third = (digit * 40 for digit in 'abc')
    for commit, settings in (
        (first, dict(IMAGENET, image_std=[1, 1, 1])),
        (second, None),
        (third, IMAGENET),
    ):
        save_weights(tmp_path / commit, ARCH, settings)
        hub_cache(tmp_path / commit, commit)
    config.weights = 'some/vit'
    assert statistics(config) == IMAGENET_PIXELS
    # also recorded in the name of the tower
    assert MODELS.build(config).weights == f'some/vit@{third}'
    config.weights = f'some/vit@{first}'
    assert statistics(config) == (IMAGENET_PIXELS[0], (255, 255, 255))
    # not in the cache
    config.weights = f'some/vit@{second}'
    assert statistics(config) == HALF
