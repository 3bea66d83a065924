"""The ready towers of configs/: their sizes, their taps, one forward."""

from pathlib import Path

import pytest
import torch
from mmdet.registry import MODELS

from m2ist_mm.config import load_config_file

CONFIGS = Path(__file__).parents[3] / 'configs'
RESNET_50 = 23_508_032
# 17 more bottlenecks in the third stage, and their norms
RESNET_101 = RESNET_50 + 17 * (2 * 1024 * 256 + 9 * 256 * 256 + 2 * 2 * 256 + 2 * 1024)
ENCODER = 8_414_976 - (2048 * 256 + 256)
BERT = 108_891_648
DIM = 768
BLOCK = 4 * (DIM**2 + DIM) + 2 * 4 * DIM**2 + 5 * DIM + 4 * DIM  # with two norms
VIT = 12 * BLOCK + 2 * DIM  # with the last norm
SWIN_T = 27_519_354


def embeddings(size, number):
    """Patch projection, positions and class token."""
    return 3 * size**2 * DIM + DIM + (number + 1) * DIM + DIM


def adapters(vision, language, hidden=128):
    """A pair of the side networks, as arXiv 2407.01131 defines them."""
    shared = min(vision, language)
    experts = sum(2 * hidden * c + hidden + 3 * c for c in (vision, language))
    down = (vision + language) * hidden + 2 * hidden
    return experts + down + (hidden + 1) * (vision + language - shared)


def detr(backbone, channels):
    return backbone + channels * 256 + 256 + ENCODER


R50 = detr(RESNET_50, 2048)
# the parameters of vision tower, language tower and side networks
SIZES = {
    # a mask token, and two layer scales a block
    'm2ist_vitb_refcoco': (
        VIT + embeddings(14, 37 * 37) + DIM + 12 * 2 * DIM,
        BERT,
        12 * adapters(DIM, DIM),
    ),
    'm2ist_vitb-16_refcoco': (
        VIT + embeddings(16, 14 * 14),
        BERT,
        12 * adapters(DIM, DIM),
    ),
    # a norm before the first layer, no bias of the patch projection
    'm2ist_vitb-clip_refcoco': (
        VIT + embeddings(16, 14 * 14) + 2 * DIM - DIM,
        BERT,
        12 * adapters(DIM, DIM),
    ),
    # no class token and no position of it
    'm2ist_vitb-siglip_refcoco': (
        VIT + embeddings(16, 14 * 14) - 2 * DIM,
        BERT,
        12 * adapters(DIM, DIM),
    ),
    'm2ist_r101_refcoco': (detr(RESNET_101, 2048), BERT, 6 * adapters(256, DIM)),
    'm2ist_r50-dc5_refcoco': (R50, BERT, 6 * adapters(256, DIM)),
    'm2ist_swin-t_refcoco': (SWIN_T, BERT, 2 * adapters(DIM, DIM)),
    'm2ist_swin-t-detr_refcoco': (detr(SWIN_T, DIM), BERT, 6 * adapters(256, DIM)),
    'm2ist_r50-minilm_refcoco': (R50, 22_565_376, 6 * adapters(256, 384)),
    'm2ist_r50-roberta_refcoco': (R50, 124_055_040, 6 * adapters(256, DIM)),
    'm2ist_r50-clip-text_refcoco': (R50, 63_165_952, 6 * adapters(256, 512)),
}


def load(name):
    config = load_config_file(CONFIGS / f'{name}.py')
    config.model.backbone.vision.weights = None
    config.model.backbone.language.weights = None
    return config


def sizes(model):
    # Swin reads numbers off tensors when it is made
    device = (
        'cpu' if model.backbone.vision.get('backbone', {}).get('depths') else 'meta'
    )
    with torch.device(device):
        towers = MODELS.build(model.backbone).towers
        neck = MODELS.build(model.neck, default_args=dict(towers=towers))
    return tuple(
        sum(parameter.numel() for parameter in part.parameters())
        for part in (towers['vision'], towers['language'], neck)
    )


def shrink(model):
    """Make all widths 32 or less; kinds, layers, taps and token numbers stay."""
    vision = model.backbone.vision
    widths = dict(hidden_size=32, num_attention_heads=4, intermediate_size=32)
    model.backbone.language.arch.update(widths, vocab_size=99)
    if 'arch' in vision:
        vision.arch.update(widths)
    elif vision.backbone.type == 'ResNet':
        vision.backbone.update(base_channels=2, stem_channels=2)
    else:
        vision.backbone.update(embed_dims=4, num_heads=[1, 1, 2, 4])
    if vision.type == 'DETREncoderTower':
        vision.update(embed_dims=32, num_heads=4, feedforward_channels=32)
    model.neck.update(hidden_channels=8)
    model.bbox_head.update(
        embed_dims=32,
        num_layers=2,
        num_heads=4,
        feedforward_channels=32,
    )
    return model


@pytest.mark.slow
@pytest.mark.parametrize('name', SIZES)
def test_sizes(name):
    model = load(f'm2ist/{name}').model
    assert sizes(model) == SIZES[name]


def test_sizes_of_the_vit_b_model():
    assert SIZES['m2ist_vitb_refcoco'] == (86_580_480, 108_891_648, 8_328_192)
    assert adapters(256, 768) == 495_872  # the paper's


@pytest.mark.slow
@pytest.mark.parametrize('name', SIZES)
def test_a_batch_of_the_configs_canvas_reaches_every_adapter(name, make_sample):
    config = load(f'm2ist/{name}')
    pipeline = config.train_dataloader.dataset.pipeline
    width, height = next(s.size for s in pipeline if s.type == 'PadToCanvas')
    canvas = tuple(config.model.backbone.vision.get('size', (640, 640)))
    assert canvas == (height, width)
    model = MODELS.build(shrink(config.model))
    model.init_weights()
    sample = make_sample('', [[40, 40, 200, 300]])['data_samples']
    sample.set_metainfo(dict(batch_input_shape=canvas))
    inputs = dict(
        images=torch.randn(1, 3, *canvas),
        padding_mask=torch.zeros(1, *canvas, dtype=torch.bool),
        input_ids=torch.tensor([[2, 9, 5, 3]]),
        attention_mask=torch.ones(1, 4, dtype=torch.long),
        image_index=torch.tensor([0]),
    )
    inputs['padding_mask'][:, 300:] = True
    losses = model.loss(inputs, [sample])
    sum(losses.values()).backward()
    ups = [
        parameter
        for key, parameter in model.neck.named_parameters()
        if key.endswith('up.weight')
    ]
    # an up projection each for VEA, LEA and S, and one more where widths differ
    assert len(ups) == 3 * len(config.model.neck.vision_layers)
    assert all(up.grad.any() for up in ups)
    assert all(parameter.grad is None for parameter in model.backbone.parameters())


def test_full_fine_tuning_of_r101_tunes_the_same_towers():
    frozen = load('m2ist/m2ist_r101_refcoco').model
    tuned = load('full_finetune/transvg_r101_refcoco').model
    assert tuned.neck is None
    assert tuned.backbone['freeze'] is False
    assert tuned.backbone.vision == frozen.backbone.vision
    assert tuned.bbox_head == frozen.bbox_head


def test_dilated_stage_keeps_the_stride_of_the_one_before():
    vision = load('m2ist/m2ist_r50-dc5_refcoco').model.backbone.vision
    vision.backbone.update(base_channels=2, stem_channels=2)
    backbone = MODELS.build(vision.backbone)
    assert backbone(torch.zeros(1, 3, 64, 96))[-1].shape[-2:] == (4, 6)
