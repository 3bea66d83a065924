import copy

import pytest
import torch
from mmdet.models.detectors import BaseDetector
from mmdet.registry import MODELS
from mmengine.optim import OptimWrapper

from m2ist_mm.structures import Features, Placement, TowerFeatures

BOXES = [[8.0, 16, 56, 80], [24, 8, 88, 120], [30, 60, 70, 100]]


@pytest.fixture
def model(make_model, model_config):
    return make_model(model_config)


@pytest.fixture
def grouped(make_sample, collate):
    """Two images, the second with two expressions."""
    return collate(
        make_sample('red square', BOXES[0], seed=0, **PLACED),
        make_sample(('big man', 'dog on the left'), BOXES[1:], seed=1),
    )


@pytest.fixture
def single(make_sample, collate):
    """The same expressions, one an image."""
    return collate(
        make_sample('red square', BOXES[0], seed=0, **PLACED),
        make_sample('big man', BOXES[1], seed=1),
        make_sample('dog on the left', BOXES[2], seed=1),
    )


PLACED = dict(
    ori_shape=(200, 120),
    placement=Placement(
        ori_shape=(200, 120),
        canvas=(128, 96),
        scale=(0.5, 0.5),
        offset=(20, 14),
        window=(0, 0, 120, 200),
    ),
)


def run(model, data, mode):
    data = model.data_preprocessor(copy.deepcopy(data), training=mode == 'loss')
    return model(**data, mode=mode)


def test_it_is_an_mmdet_detector(model):
    assert isinstance(model, BaseDetector)


def test_modes_of_forward_agree(model, grouped):
    model.eval()
    with torch.no_grad():
        boxes = run(model, grouped, 'tensor')
        losses = run(model, grouped, 'loss')
        samples = run(model, grouped, 'predict')
    assert boxes.shape == (3, 4)
    data = model.data_preprocessor(copy.deepcopy(grouped))['data_samples']
    expected = model.bbox_head.loss_by_feat(boxes, None, data)
    assert losses.keys() == expected.keys() == {'loss_bbox', 'loss_iou'}
    assert all(torch.equal(losses[name], expected[name]) for name in losses)
    expected = model.bbox_head.predict_by_feat(boxes, data)
    assert [len(sample.pred_instances) for sample in samples] == [1, 2]
    for sample, instances in zip(samples, expected, strict=True):
        assert torch.equal(sample.pred_instances.bboxes, instances.bboxes)
        assert 'scores' not in sample.pred_instances


def test_truth_stays_beside_the_prediction(model, grouped):
    samples = model.eval().test_step(copy.deepcopy(grouped))
    assert torch.equal(samples[1].gt_instances.bboxes, torch.tensor(BOXES[1:]))
    assert samples[1].text == ('big man', 'dog on the left')


def test_outputs_are_towers_plus_side_networks_into_the_head(model, grouped):
    model.eval()
    inputs = model.data_preprocessor(copy.deepcopy(grouped))['inputs']
    towers = model.backbone(
        inputs['images'],
        inputs['padding_mask'],
        inputs['input_ids'],
        inputs['attention_mask'],
    )
    tokens = model.neck(*towers)
    features = model.extract_feat(inputs)
    cut = Features(
        TowerFeatures(tokens[0], towers[0].mask, grid=towers[0].grid),
        TowerFeatures(tokens[1], towers[1].mask),
        inputs['image_index'],
    ).without_padding()
    for value, wanted in (
        (features.vision.tokens, cut.vision.tokens),
        (features.vision.mask, cut.vision.mask),
        (features.language.tokens, tokens[1]),
        (features.language.mask, towers[1].mask),
        (features.positions, cut.positions),
        (features.image_index, inputs['image_index']),
    ):
        assert torch.equal(value, wanted)
    assert torch.equal(model._forward(inputs), model.bbox_head(features))


def test_without_neck_the_towers_outputs_are_handed_on(
    make_model, model_config, grouped
):
    model_config.neck = None
    model = make_model(model_config).eval()
    inputs = model.data_preprocessor(copy.deepcopy(grouped))['inputs']
    vision = model.backbone.vision(inputs['images'], inputs['padding_mask'])
    language = model.backbone.language(inputs['input_ids'], inputs['attention_mask'])
    images = model.encode_image(inputs['images'], inputs['padding_mask'])
    assert torch.equal(images.tokens, vision.tokens)
    texts = model.encode_text(inputs['input_ids'], inputs['attention_mask'])
    assert torch.equal(texts.tokens, language.tokens)
    features = model.extract_feat(inputs)
    places = features.positions[..., None].expand(-1, -1, vision.tokens.shape[2])
    assert torch.equal(features.vision.tokens, vision.tokens.gather(1, places))
    assert torch.equal(features.language.tokens, language.tokens)


def test_grouped_expressions_are_as_single_ones(
    make_model, model_config, grouped, single
):
    model_config.bbox_head.dropout = 0.0
    model = make_model(model_config).train()
    gradients = []
    losses = []
    for data in (grouped, single):
        model.zero_grad()
        losses.append(run(model, data, 'loss'))
        sum(losses[-1].values()).backward()
        gradients.append({n: p.grad.clone() for n, p in tuned(model)})
    close = dict(rtol=1e-4, atol=1e-6)
    for name, value in losses[0].items():
        torch.testing.assert_close(value, losses[1][name], **close)
    for name, value in gradients[0].items():
        torch.testing.assert_close(value, gradients[1][name], **close, msg=name)
    model.eval()
    boxes = [
        torch.cat([one.pred_instances.bboxes for one in run(model, data, 'predict')])
        for data in (grouped, single)
    ]
    torch.testing.assert_close(*boxes, rtol=0, atol=1e-3)  # pixels


def tuned(model):
    return [(n, p) for n, p in model.named_parameters() if p.requires_grad]


def test_training_steps_learn_the_boxes(model_config, grouped):
    model = MODELS.build(model_config)
    model.init_weights()
    model.train()
    parameters = [parameter for _, parameter in tuned(model)]
    wrapper = OptimWrapper(torch.optim.AdamW(parameters, lr=3e-3))
    first = model.train_step(copy.deepcopy(grouped), wrapper)
    for _ in range(60):
        last = model.train_step(copy.deepcopy(grouped), wrapper)
    assert last['loss'] < 0.5 * first['loss']


def test_bfloat16_training_is_close_to_float32(make_model, model_config, grouped):
    model_config.bbox_head.dropout = 0.0
    model = make_model(model_config).train()
    expected = run(model, grouped, 'loss')
    with torch.autocast('cpu', torch.bfloat16):
        losses = run(model, grouped, 'loss')
    for name, value in losses.items():
        assert value.dtype == torch.float32
        torch.testing.assert_close(value, expected[name], rtol=0.1, atol=0.02)
    sum(losses.values()).backward()
    for name, parameter in tuned(model):
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def test_copied_model_gives_the_same_boxes(model, grouped):
    model.eval()
    boxes = run(model, grouped, 'tensor')
    twin = copy.deepcopy(model)
    assert torch.equal(run(twin, grouped, 'tensor'), boxes)


def test_state_restores_the_model(make_model, model_config, grouped):
    model = make_model(model_config).eval()
    torch.manual_seed(77)
    other = MODELS.build(model_config).eval()
    assert not torch.equal(run(other, grouped, 'tensor'), run(model, grouped, 'tensor'))
    other.load_state_dict(model.state_dict())
    assert torch.equal(run(other, grouped, 'tensor'), run(model, grouped, 'tensor'))


# image once, many expressions ---------------------------------------------------------

SENTENCES = [
    f'{colour} {rest}'
    for colour in ('red', 'green', 'blue', 'big', 'small')
    for rest in ('square', 'man on the left', 'dog in tree', 'circle')
]


@torch.no_grad()
def test_sentences_asked_one_by_one_have_the_boxes_of_one_call(
    model, make_sample, collate
):
    assert len(set(SENTENCES)) == 20
    model.eval()
    packed = make_sample(tuple(SENTENCES), [[0, 0, 9, 9]] * 20, **PLACED)
    inputs = model.data_preprocessor(collate(packed))['inputs']
    assert inputs['padding_mask'].any()
    at_once = model._forward(inputs)
    calls = dict.fromkeys(('vision', 'language'), 0)
    for name, tower in model.backbone.towers.items():

        def count(*arguments, name=name):
            calls[name] += 1

        tower.register_forward_hook(count)
    image = model.encode_image(inputs['images'], inputs['padding_mask'])
    boxes = []
    for ids, mask in zip(inputs['input_ids'], inputs['attention_mask'], strict=True):
        length = int(mask.sum())
        text = model.encode_text(ids[None, :length], mask[None, :length])
        boxes.append(model.ground(Features(image, text, torch.tensor([0]))))
    assert calls == dict(vision=1, language=20)
    assert (at_once[1:] - at_once[:-1]).abs().amax(1).min() > 1e-4
    torch.testing.assert_close(torch.cat(boxes), at_once, rtol=0, atol=1e-5)
