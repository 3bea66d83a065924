"""The two sides of an export compute what the model computes, before any ONNX."""

import pytest
import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample

from m2ist_mm.export import ImageSide, TextSide
from m2ist_mm.export.onnx_folder import without_padding
from m2ist_mm.structures import Placement

TEXTS = ('left block', 'the big yellow one')


@pytest.fixture(params=['rgb', 'bgr'])
def model(request, nano_config):
    nano_config.model.data_preprocessor = dict(
        mean=[90.0, 100.0, 110.0],
        std=[50.0, 60.0, 70.0],
        channel_order=request.param,
        pad_value=[114.0, 0.0, 255.0],
    )
    torch.manual_seed(0)
    model = MODELS.build(nano_config.model).eval()
    for parameter in model.bbox_head.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    return model


@torch.no_grad()
def test_sides_give_the_boxes_of_the_model(model):
    # 80 x 60 pixels in the middle of the canvas
    placement = Placement.identity((80, 60)).pad(18, 24, (128, 96))
    pixels = torch.randint(256, (1, 128, 96, 3), dtype=torch.uint8)  # RGB
    sample = DetDataSample(metainfo=dict(text=TEXTS, placement=placement))
    bgr = pixels[0].permute(2, 0, 1).flip(0)
    inputs = model.data_preprocessor(dict(inputs=[bgr], data_samples=[sample]))[
        'inputs'
    ]
    features = model.extract_feat(inputs)

    region = torch.tensor([placement.region])
    tokens, padding = ImageSide(model)(pixels, region)
    whole = model.encode_image(inputs['images'], inputs['padding_mask'])
    torch.testing.assert_close(tokens, whole.tokens)
    assert torch.equal(padding, whole.mask)
    assert padding.any() and not padding.all()
    boxes = TextSide(model)(
        *without_padding(tokens, padding),
        inputs['input_ids'],
        inputs['attention_mask'],
    )
    torch.testing.assert_close(boxes, model.ground(features))
    assert (boxes[0] - boxes[1]).abs().max() > 1e-3
