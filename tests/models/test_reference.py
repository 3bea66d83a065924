"""The model, number for number, against the reference implementations."""

import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from mmdet.registry import MODELS
from mmengine import Config

from m2ist_mm.checkpoints import convert_transvg, load_exactly
from m2ist_mm.structures import Features

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / 'tests/data/reference'
TOLERANCE = dict(rtol=0, atol=2e-4)


def formula_state(reference) -> dict[str, torch.Tensor]:
    """Weights of a reference checkpoint, made from their names."""
    state = {}
    for name, shape_text in zip(reference['names'], reference['shapes'], strict=True):
        shape = tuple(int(size) for size in shape_text.strip('()').split(',') if size)
        rng = np.random.RandomState(zlib.crc32(name.encode()) & 0x7FFFFFFF)
        value = rng.standard_normal(int(np.prod(shape))).reshape(shape)
        if name.endswith('running_var'):
            value = 1 + 0.1 * np.abs(value)
        elif name.endswith('running_mean'):
            value = 0.1 * value
        elif value.ndim == 1 and name.endswith('weight'):
            value = 1 + 0.02 * value
        elif value.ndim == 1:
            value = 0.02 * value
        else:
            value = value / np.sqrt(np.prod(shape[1:]))
        state[str(name)] = torch.from_numpy(value.astype(np.float32))
    return state


def r50_config(**backbone):
    model = Config.fromfile(ROOT / 'configs/_base_/models/m2ist_r50.py').model
    model.backbone.vision.weights = None
    model.backbone.language.weights = None
    model.backbone.update(backbone)
    return model


@pytest.fixture(scope='module')
def transvg():
    reference = np.load(REFERENCE / 'transvg_r50.npz')
    config = r50_config()
    config.neck = None
    model = MODELS.build(config).eval()
    load_exactly(model, convert_transvg(formula_state(reference)), 'reference')
    rng = np.random.RandomState(int(reference['seed']))
    images = np.zeros((3, 3, 640, 640), np.float32)
    mask = np.ones((3, 640, 640), bool)
    for index, (top, left, height, width) in enumerate(reference['regions']):
        region = np.s_[top : top + height, left : left + width]
        noise = rng.standard_normal((3, height, width))
        images[index][(slice(None), *region)] = noise * (1 + index) + index - 1
        mask[index][region] = False
    inputs = dict(
        images=torch.from_numpy(images),
        padding_mask=torch.from_numpy(mask),
        input_ids=torch.from_numpy(reference['input_ids']),
        attention_mask=torch.from_numpy(reference['attention_mask']),
        image_index=torch.arange(3),
    )
    with torch.no_grad():
        vision, language = model.backbone(*(inputs[key] for key in list(inputs)[:4]))
        boxes = model.ground(Features(vision, language, inputs['image_index']))
    return reference, vision, language, boxes, model, inputs


def test_transvg_visual_tokens_match_reference(transvg):
    reference, vision, *_ = transvg
    np.testing.assert_array_equal(vision.mask.numpy(), reference['visual_mask'])
    np.testing.assert_allclose(vision.tokens[:, ::37], reference['visual'], **TOLERANCE)


def test_transvg_text_matches_reference(transvg):
    reference, _, language, *_ = transvg
    np.testing.assert_allclose(
        language.tokens[..., ::16], reference['text'], **TOLERANCE
    )


def test_transvg_boxes_match_reference(transvg):
    reference, _, _, boxes, *_ = transvg
    np.testing.assert_allclose(boxes, reference['boxes_cxcywh'], **TOLERANCE)


def test_text_and_padding_trimmed_to_the_longest_give_the_same_box(transvg):
    _, _, _, boxes, model, inputs = transvg
    with torch.no_grad():
        trimmed = model._forward(
            dict(
                images=inputs['images'][:1],
                padding_mask=inputs['padding_mask'][:1],
                input_ids=inputs['input_ids'][:1, :5],
                attention_mask=inputs['attention_mask'][:1, :5],
                image_index=torch.zeros(1, dtype=torch.long),
            )
        )
    torch.testing.assert_close(trimmed, boxes[:1], rtol=0, atol=1e-5)


def test_m2ist_vision_side_matches_reference():
    reference = np.load(REFERENCE / 'm2ist_vision_side.npz')
    config = r50_config(
        language=dict(type='TransformersTower', weights=None, arch=TINY_BERT)
    )
    config.neck.language_layers = [0] * 6
    model = MODELS.build(config).eval()
    state = convert_transvg(formula_state(reference))
    tower = {
        name.removeprefix('backbone.vision.'): value
        for name, value in state.items()
        if name.startswith('backbone.vision.')
    }
    load_exactly(model.backbone.vision, tower, 'reference')
    side = {
        name.removeprefix('neck.'): value
        for name, value in state.items()
        if name.startswith('neck.')
    }
    result = model.neck.load_state_dict(side, strict=False)
    assert not result.unexpected_keys
    assert all(
        name.startswith('lea') or '.language_' in name for name in result.missing_keys
    )
    images = np.random.RandomState(7).standard_normal((2, 3, 640, 640))
    images = images.astype(np.float32)
    mask = np.zeros((2, 640, 640), bool)
    mask[0, :, 500:] = True
    mask[1, 448:] = True
    images[np.broadcast_to(mask[:, None], images.shape)] = 0
    with torch.no_grad():
        vision = model.backbone.vision.encode(
            torch.from_numpy(images), torch.from_numpy(mask)
        )
        total = sum(model.neck.vision_side(vision))
    np.testing.assert_array_equal(vision.mask.numpy(), reference['visual_mask'])
    for value, key in (
        (vision.inputs, 'src'),
        (vision.tokens, 'memory'),
        (total, 'side'),
    ):
        np.testing.assert_allclose(
            value[:, ::37], reference[key], **TOLERANCE, err_msg=key
        )


TINY_BERT = dict(
    model_type='bert', hidden_size=768, num_hidden_layers=1, vocab_size=100
)
