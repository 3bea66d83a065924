"""The ready configs on detectors of a model zoo, whose weights are not at hand here."""

import copy
from pathlib import Path

import mmdet
import pytest
import torch
import yaml
from mmdet.registry import MODELS
from mmengine.hub import get_config

from m2ist_mm.checkpoints import save_state_file
from m2ist_mm.config import load_config_file

CONFIGS = Path(__file__).parents[3] / 'configs' / 'm2ist'
MIM = Path(mmdet.__file__).parent / '.mim'
# config of the detector that the tower is the front of
ZOO = {
    'm2ist_yolox-tiny_refcoco': 'yolox/yolox_tiny_8xb8-300e_coco.py',
    'm2ist_yolox-s_refcoco': 'yolox/yolox_s_8xb8-300e_coco.py',
    'm2ist_rtmdet-tiny_refcoco': 'rtmdet/rtmdet_tiny_8xb32-300e_coco.py',
    'm2ist_detr-r50_refcoco': 'detr/detr_r50_8xb2-150e_coco.py',
}


# parameters of both towers and of the side networks, as docs/towers.md has them
SIZES = {
    'm2ist_yolox-tiny_refcoco': (112_860_048, 3_272_448),
    'm2ist_yolox-s_refcoco': (115_939_008, 3_668_736),
    'm2ist_rtmdet-tiny_refcoco': (113_429_292, 2_975_232),
    'm2ist_detr-r50_refcoco': (140_814_656, 2_975_232),
}


def tower_config(name):
    return load_config_file(CONFIGS / f'{name}.py').model.backbone.vision


@pytest.mark.parametrize('name', ZOO)
def test_weights_are_those_of_mmdets_model_index(name):
    metafile = MIM / 'configs' / ZOO[name].split('/')[0] / 'metafile.yml'
    models = yaml.safe_load(metafile.read_text())['Models']
    (urls,) = (m['Weights'] for m in models if m['Config'] == f'configs/{ZOO[name]}')
    assert tower_config(name).weights == urls


@pytest.mark.parametrize('name', ZOO)
def test_sizes(name):
    config = load_config_file(CONFIGS / f'{name}.py').model
    config.backbone.vision.weights = config.backbone.language.weights = None
    with torch.device('meta'):
        backbone = MODELS.build(config.backbone)
        neck = MODELS.build(config.neck, default_args=dict(towers=backbone.towers))
    found = [sum(p.numel() for p in part.parameters()) for part in (backbone, neck)]
    assert tuple(found) == SIZES[name]


@pytest.mark.slow
@pytest.mark.parametrize('name', ZOO)
@torch.no_grad()
def test_tower_takes_the_checkpoint_of_its_detector(name, tmp_path):
    torch.manual_seed(0)
    detector = MODELS.build(copy.deepcopy(get_config(f'mmdet::{ZOO[name]}').model))
    path = str(tmp_path / 'detector.pth')
    save_state_file(detector.state_dict(), path)
    config = tower_config(name)
    config.size = (64, 96)
    config.weights = path
    tower = MODELS.build(config).eval()

    images = torch.randn(1, 3, 64, 96)
    features = tower(images, torch.zeros(1, 64, 96, dtype=torch.bool))
    assert features.grid == (2, 3)
    maps = detector.eval().backbone(images)
    torch.testing.assert_close(
        tower.backbone(images)[-1], maps[-1], rtol=1e-4, atol=1e-4
    )  # DETR's tower folds the norms
    if 'yolox' in name:
        coarse = detector.neck.bottom_up_blocks[1]
        seen = []
        coarse.register_forward_hook(lambda module, inputs, map: seen.append(map))
        detector.neck(maps)
        coarsest = seen[0]
    elif 'rtmdet' in name:
        coarsest = detector.neck(maps)[-1]
    else:
        torch.testing.assert_close(
            features.inputs.transpose(1, 2).unflatten(2, (2, 3)),
            detector.neck(maps)[-1],
            rtol=1e-4,
            atol=1e-4,
        )
        return
    own = features.tokens.transpose(1, 2).unflatten(2, (2, 3))
    torch.testing.assert_close(own[:, -coarsest.shape[1] :], coarsest)
