import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from mmdet.apis import inference_detector
from mmengine.config import Config
from mmengine.runner import Runner
from PIL import Image

from m2ist_mm.apis import RECInferencer
from m2ist_mm.apis.encoded_image import EncodedImage
from m2ist_mm.visualization import RECVisualizer, draw_attention

EXPRESSIONS = ['left block', 'pink one', 'right block', 'yellow one']


@pytest.fixture(scope='module')
def inferencer(nano):
    return RECInferencer(*nano, device='cpu', show_progress=False)


@pytest.fixture(scope='module')
def images(mini_refcoco):
    """The two images of val."""
    folder = mini_refcoco / 'train2014'
    return [str(folder / f'COCO_train2014_{number:012d}.jpg') for number in (3, 4)]


def boxes_of(results):
    return [torch.tensor(one['bboxes']) for one in results['predictions']]


def close_to(image, color):
    return np.abs(image.astype(int) - color).sum(-1) < 30


def test_boxes_are_those_of_a_test_run(inferencer, nano, images, tmp_path):
    config = Config.fromfile(nano[0])
    config.merge_from_dict(
        dict(
            load_from=str(nano[1]),
            work_dir=str(tmp_path),
            experiment_name='inferencer',
            test_evaluator=dict(outfile_prefix=str(tmp_path / 'results')),
            test_dataloader=dict(batch_size=1),
        )
    )
    Runner.from_cfg(config).test()
    tested = {
        (one['img_path'], one['text']): one['pred_bbox']
        for one in json.loads((tmp_path / 'results.json').read_text())
    }
    assert len(tested) == 8

    results = inferencer(images, EXPRESSIONS, batch_size=2)
    for image, result in zip(images, results['predictions'], strict=True):
        assert (result['img_path'], result['text']) == (image, EXPRESSIONS)
        assert result['truncated'] == [False] * 4
        expected = torch.tensor([tested[image, text] for text in EXPRESSIONS])
        found = torch.tensor(result['bboxes'])
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-3)
        # pixels of this image, and another box for another expression
        assert expected.std(dim=0).max() > 0.5
        height, width = cv2.imread(image).shape[:2]
        assert (found <= torch.tensor([width, height] * 2)).all()


def test_vision_tower_runs_once_a_image(inferencer, images):
    seen = []
    handle = inferencer.model.backbone.vision.register_forward_hook(
        lambda module, inputs, output: seen.append(len(inputs[0]))
    )
    try:
        inferencer(images, EXPRESSIONS)
        inferencer(images, [EXPRESSIONS, EXPRESSIONS[:1]], batch_size=2)
    finally:
        handle.remove()
    assert seen == [1, 1, 2]


def test_arrays_folders_and_files_give_the_same(inferencer, images, tmp_path):
    expected = boxes_of(inferencer(images, EXPRESSIONS))
    for number, image in enumerate(images):
        image = cv2.imread(image)
        cv2.imwrite(str(tmp_path / f'{number}.PNG'), image)
    (tmp_path / 'notes.txt').write_text('no image')
    images = [cv2.imread(str(tmp_path / f'{number}.PNG')) for number in range(2)]
    for inputs in (images, str(tmp_path), tmp_path, [tmp_path / '0.PNG', images[1]]):
        for found, wanted in zip(
            boxes_of(inferencer(inputs, EXPRESSIONS)), expected, strict=True
        ):
            # decoders of JPEG files differ by a grey level here and there
            torch.testing.assert_close(found, wanted, rtol=0, atol=0.5)


def test_expression_is_read_as_in_the_data_set(inferencer, images):
    plain, loud = (
        inferencer(images[0], text)['predictions'][0]
        for text in ('left block', ' LEFT Block ')
    )
    assert plain == loud
    assert plain['text'] == ['left block']
    long = inferencer(images[0], ['left one ' * 5])['predictions'][0]
    assert long['truncated'] == [True]


def test_predictions_and_images_are_written(inferencer, images, tmp_path):
    again = tmp_path / 'again' / 'COCO_train2014_000000000003.png'
    again.parent.mkdir()
    cv2.imwrite(str(again), cv2.imread(images[0]))
    out = tmp_path / 'out'
    image = np.zeros((40, 60, 3), np.uint8)
    inputs = [images[0], again, image]
    results = inferencer(inputs, EXPRESSIONS, out_dir=out, return_vis=True)
    stem = 'COCO_train2014_000000000003'
    (number,) = (path.stem for path in (out / 'preds').glob('0*.json'))
    names = [stem, f'{stem}_1', number]
    columns = results['predictions'], results['visualization']
    for name, result, drawn in zip(names, *columns, strict=True):
        assert json.loads((out / 'preds' / f'{name}.json').read_text()) == result
        image = cv2.imread(str(out / 'vis' / f'{name}.jpg'))
        assert image.shape == drawn.shape
        assert close_to(drawn, (255, 110, 0)).any()  # the orange of predictions
        if result['img_path'] is not None:
            # the right object is yellow, in RGB
            assert close_to(drawn, (255, 255, 0)).mean() > 0.05
    assert len(list((out / 'vis').iterdir())) == 3


def test_what_is_not_wanted_is_not_written(inferencer, images, tmp_path):
    inferencer(images[0], 'left block', out_dir=tmp_path / 'a', no_save_vis=True)
    assert [path.name for path in (tmp_path / 'a').iterdir()] == ['preds']
    results = inferencer(
        images[0],
        'left block',
        out_dir=tmp_path / 'b',
        no_save_pred=True,
        return_datasamples=True,
    )
    assert [path.name for path in (tmp_path / 'b').iterdir()] == ['vis']
    assert results['visualization'] == []
    assert results['predictions'][0].pred_instances.bboxes.shape == (1, 4)


def test_attention_of_all_layers_and_heads_is_returned(inferencer, images, tmp_path):
    plain = inferencer(images, EXPRESSIONS, batch_size=2)['predictions']
    results = inferencer(
        images,
        [EXPRESSIONS, EXPRESSIONS[:1]],
        batch_size=2,
        out_dir=tmp_path,
        return_attention=True,
    )['predictions']
    for result, number, expected in zip(results, (4, 1), plain, strict=True):
        found = torch.tensor(result['bboxes'])
        torch.testing.assert_close(found, torch.tensor(expected['bboxes'][:number]))
        attention = result['attention']
        assert attention.shape == (number, 2, 4, 4, 3)  # 128 x 96 pixels, stride 32
        assert attention.dtype == np.float32
        assert (attention >= 0).all()
        assert (attention.sum((-1, -2)) < 1 + 1e-5).all()  # the rest: the text
        image = cv2.imread(result['img_path'])[..., ::-1]
        drawn = draw_attention(image, attention[0, -1].mean(0), result['placement'])
        assert drawn.shape == image.shape
    # each expression has its own
    assert np.abs(np.diff(results[0]['attention'], axis=0)).max() > 1e-3
    first, second = (Path(image).stem for image in images)
    assert sorted(path.name for path in (tmp_path / 'attention').iterdir()) == [
        f'{stem}_{number}{end}.jpg'
        for stem, count in ((first, 4), (second, 1))
        for number in range(1, count + 1)
        for end in ('', '_heads')
    ]
    written = json.loads((tmp_path / 'preds' / f'{first}.json').read_text())
    assert set(written) == {'img_path', 'text', 'bboxes', 'truncated'}
    assert set(plain[0]) == set(written)  # and nothing is recorded unless asked for


def test_attention_needs_a_head_that_attends(inferencer, images, monkeypatch):
    other = SimpleNamespace(bbox_head=torch.nn.Identity())
    monkeypatch.setattr(inferencer, 'model', other)
    with pytest.raises(ValueError, match='return_attention: Identity has no target'):
        inferencer(images[0], 'left one', return_attention=True)


@pytest.mark.parametrize('batch_size', [0, '2'])
def test_batches_have_at_least_one_image(inferencer, images, batch_size):
    with pytest.raises(ValueError, match='batch_size must be at least 1, got'):
        inferencer(images, 'left one', batch_size=batch_size)


def test_missing_or_broken_image_is_named(inferencer, images, tmp_path):
    with pytest.raises(FileNotFoundError, match=r'there is no image .*nope\.jpg'):
        inferencer(tmp_path / 'nope.jpg', 'left one')
    with pytest.raises(ValueError, match='no image in the folder'):
        inferencer(tmp_path, 'left one')
    broken = tmp_path / 'broken.jpg'
    with open(images[0], 'rb') as file:
        whole = file.read()
    for content in (b'', b'no image', whole[: len(whole) // 2]):
        broken.write_bytes(content)
        with pytest.raises(ValueError, match=r'broken\.jpg cannot be read'):
            inferencer(broken, 'left one')
    with pytest.raises(ValueError, match=r'\(H, W, 3\) uint8 BGR, got \(4, 4\)'):
        inferencer(np.zeros((4, 4), np.uint8), 'left one')


def test_checkpoint_of_other_towers_is_refused(nano, other_towers):
    with pytest.raises(ValueError, match='made on other towers'):
        RECInferencer(other_towers, nano[1], device='cpu')


def test_checkpoint_must_be_there_and_safe(nano, tmp_path):
    with pytest.raises(FileNotFoundError, match='no checkpoint file'):
        RECInferencer(nano[0], tmp_path / 'nope.pth', device='cpu')
    with pytest.raises(ValueError, match='the model index has no weights of'):
        RECInferencer(nano[0], None, device='cpu')
    with pytest.raises(FileNotFoundError, match='there is no config file nope,'):
        RECInferencer('nope')

    class Bomb:
        def __reduce__(self):
            import os

            return os.mkdir, (str(tmp_path / 'ran'),)

    torch.save(dict(state_dict={}, meta=Bomb()), tmp_path / 'bomb.pth')
    with pytest.raises(ValueError, match='could run code'):
        RECInferencer(nano[0], tmp_path / 'bomb.pth', device='cpu')
    assert not (tmp_path / 'ran').exists()


def test_device_that_is_not_there_is_refused(nano):
    with pytest.raises(ValueError, match="device 'nowhere' cannot be used"):
        RECInferencer(*nano, device='nowhere')


def test_options_replace_values_of_a_config_file(nano, tmp_path):
    config, checkpoint = nano
    options = {'visualizer.font': str(tmp_path / 'missing.ttf')}
    with pytest.raises(FileNotFoundError, match='there is no font .*missing.ttf'):
        RECInferencer(config, checkpoint, 'cpu', cfg_options=options)
    with pytest.raises(ValueError, match='change the Config itself'):
        RECInferencer(Config.fromfile(config), checkpoint, cfg_options=options)


def test_pillow_images_are_taken(inferencer, images):
    expected = boxes_of(inferencer(images[0], EXPRESSIONS))[0]
    image = Image.open(images[0])
    found = boxes_of(inferencer([image, image.convert('RGBA')], EXPRESSIONS))
    assert torch.equal(found[0], expected)
    assert torch.equal(found[1], expected)


@pytest.mark.parametrize(
    ('image', 'kind'),
    [(b'JFIF', 'bytes'), (torch.zeros(3, 4, 4), 'Tensor'), ([[0]], 'list'), (5, 'int')],
)
def test_other_types_are_named(inferencer, image, kind):
    with pytest.raises(ValueError, match=f'an image is a file, .* not {kind}$'):
        inferencer([image], 'left one')
    with pytest.raises(ValueError, match=f'an image is a file, .* not {kind}$'):
        inferencer.encode_image(image)


def test_url_of_a_file_is_its_path(inferencer, images, tmp_path):
    copied = tmp_path / 'a dog.jpg'
    shutil.copy(images[0], copied)
    (result,) = inferencer(copied.as_uri(), EXPRESSIONS)['predictions']
    assert result['img_path'] == str(copied)
    inferencer.ground(inferencer.encode_image(copied.as_uri()), 'left one')
    with pytest.raises(ValueError, match='file://a.jpg names no file .* three slashes'):
        inferencer('file://a.jpg', 'left one')


@pytest.mark.parametrize('image', ['', ' '])
def test_empty_path_is_not_the_current_folder(inferencer, image):
    for ask in (inferencer.encode_image, lambda image: inferencer(image, 'left one')):
        with pytest.raises(ValueError, match='an image is empty text: give a path'):
            ask(image)


def test_only_an_encoded_image_of_its_own_is_asked(inferencer, images):
    other = EncodedImage(object(), None)
    for image, kind in ((images[0], 'str'), (other, 'one of another kind of inf')):
        with pytest.raises(ValueError, match=f'same inferencer gave, not {kind}'):
            inferencer.ground(image, 'left one')


def test_hidden_files_of_a_folder_are_passed_over(inferencer, images, tmp_path):
    shutil.copy(images[0], tmp_path / 'a.jpg')
    (tmp_path / '._a.jpg').write_bytes(b'what a Mac writes')
    (result,) = inferencer(tmp_path, 'left one')['predictions']
    assert result['img_path'] == str(tmp_path / 'a.jpg')


def test_unreadable_images_are_left_out_on_demand(inferencer, images, tmp_path):
    broken = tmp_path / 'broken.jpg'
    broken.write_bytes(b'no image')
    inputs = [broken, images[0], tmp_path / 'missing.jpg', images[1]]
    results = inferencer(inputs, EXPRESSIONS, batch_size=2, skip_unreadable=True)
    assert [one['img_path'] for one in results['predictions']] == images
    first, second = results['errors']
    assert first.startswith(f'{broken} cannot be read as an image')
    assert second == f'there is no image {tmp_path}/missing.jpg'
    assert inferencer(images[0], 'left one')['errors'] == []


def test_visualizer_of_a_config_needs_no_type(inferencer):
    for visualizer in (None, dict(min_size=7)):
        built = inferencer._init_visualizer(Config(dict(visualizer=visualizer)))
        assert isinstance(built, RECVisualizer)
    assert built.min_size == 7


@pytest.mark.parametrize('value', [float('nan'), float('inf')])
def test_box_that_is_not_finite_is_an_error(inferencer, images, tmp_path, value):
    weight = inferencer.model.bbox_head.reg_token.weight
    kept = weight.data.clone()
    weight.data.fill_(value)
    try:
        with pytest.raises(ValueError, match=r'3\.jpg: the model gives a box that is'):
            inferencer(images[0], 'left one', out_dir=tmp_path / 'out')
    finally:
        weight.data.copy_(kept)
    assert not (tmp_path / 'out').exists()


def test_threads_get_what_one_gets(inferencer, images):
    queries = [
        (image, EXPRESSIONS[: number % 4 + 1])
        for number, image in enumerate(images * 6)
    ]

    def ask(query):
        results = inferencer(*query, return_vis=True)
        return results['predictions'][0]['bboxes'], results['visualization'][0]

    expected = list(map(ask, queries))
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(ask, queries))
    for (boxes, drawn), (wanted, image) in zip(found, expected, strict=True):
        assert boxes == wanted
        assert np.array_equal(drawn, image)


def test_expressions_have_bounds(inferencer, images, tmp_path):
    with pytest.raises(ValueError, match='3000 expressions for one image; at most 500'):
        inferencer(images[0], ['one'] * 3000)
    many = ['a' * 900] * 12
    with pytest.raises(ValueError, match='10800 characters .* --no-save-vis'):
        inferencer(images[0], many, out_dir=tmp_path)
    results = inferencer(images[0], many, out_dir=tmp_path, no_save_vis=True)
    assert len(results['predictions'][0]['bboxes']) == 12


@pytest.mark.slow
def test_the_largest_request_is_drawn(inferencer, images, tmp_path):
    texts = [f'the block {number:04d} ..' for number in range(500)]
    inferencer(images[0], texts, out_dir=tmp_path)
    assert len(list((tmp_path / 'vis').iterdir())) == 1


def test_window_needs_a_display(inferencer, images, monkeypatch):
    monkeypatch.setattr('sys.platform', 'linux')
    monkeypatch.delenv('DISPLAY', raising=False)
    monkeypatch.delenv('WAYLAND_DISPLAY', raising=False)
    with pytest.raises(ValueError, match='there is no display'):
        inferencer(images[0], 'left one', show=True)


def test_image_that_the_pipeline_cannot_take_is_named(inferencer, images, monkeypatch):
    def refuse(results):
        raise KeyError('scale')

    monkeypatch.setattr(inferencer, 'pipeline', refuse)
    with pytest.raises(ValueError, match=r'3\.jpg \(220x180 pixels\) cannot be prep'):
        inferencer(images[0], 'left one')


def test_mmdet_s_inference_gives_a_box_for_a_sentence(inferencer, images):
    model = inferencer.model
    (expected,) = boxes_of(inferencer(images[0], EXPRESSIONS[0]))
    for image in (images[0], cv2.imread(images[0])):
        sample = inference_detector(model, image, text_prompt=EXPRESSIONS[0])
        found = sample.pred_instances.bboxes
        torch.testing.assert_close(found, expected, rtol=0, atol=0.5)


def test_encoded_image_gives_the_same_boxes_for_any_sentences(inferencer, images):
    seen = []
    handle = inferencer.model.backbone.vision.register_forward_hook(
        lambda module, inputs, output: seen.append(len(inputs[0]))
    )
    try:
        encoded = [inferencer.encode_image(image) for image in images]
        assert seen == [1, 1]
        asked = [EXPRESSIONS, EXPRESSIONS[:1], [' LEFT block ', 'left one ' * 5]]
        for texts in asked:
            expected = inferencer(images, texts)['predictions']
            seen.clear()
            for image, one in zip(encoded, expected, strict=True):
                found = inferencer.ground(image, texts)
                boxes = (torch.tensor(each.pop('bboxes')) for each in (found, one))
                torch.testing.assert_close(*boxes, rtol=0, atol=1e-3)
                assert found == one
            assert not seen
    finally:
        handle.remove()
    with pytest.raises(ValueError, match='empty'):
        inferencer.ground(encoded[0], [''])
    found = inferencer.ground(inferencer.encode_image(Path(images[0])), 'left one')
    assert found['img_path'] == images[0]
