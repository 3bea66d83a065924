"""The exported nano model answers as the model itself."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from PIL import Image

from m2ist_mm.apis import ONNXInferencer, RECInferencer

pytestmark = pytest.mark.slow  # the export
TEXTS = [
    'left block',
    ' PINK one ',
    'right block',
    'the big yellow one on the left side',
]


@pytest.fixture(scope='module')
def pair(nano, exported):
    """The model and its export."""
    return (
        RECInferencer(*nano, device='cpu', show_progress=False),
        ONNXInferencer(exported, show_progress=False),
    )


@pytest.fixture(scope='module')
def images(mini_refcoco):
    return sorted(map(str, (mini_refcoco / 'train2014').iterdir()))


def assert_same(pair, *arguments, **options):
    expected, found = (
        inferencer(*arguments, **options)['predictions'] for inferencer in pair
    )
    assert len(expected) == len(found)
    for wanted, got in zip(expected, found, strict=True):
        assert list(wanted) == list(got)
        for key in ('img_path', 'text', 'truncated'):
            assert wanted[key] == got[key]
        np.testing.assert_allclose(got['bboxes'], wanted['bboxes'], rtol=0, atol=0.01)


def test_predictions_are_the_model_s(pair, images):
    assert_same(pair, images, TEXTS, batch_size=3)
    assert_same(pair, images[:2], [TEXTS, TEXTS[:1]])
    boxes = pair[1](images[0], TEXTS)['predictions'][0]['bboxes']
    assert np.std(boxes, axis=0).max() > 0.5
    assert pair[1](images[0], TEXTS)['predictions'][0]['truncated'][-1]


def test_many_sentences_are_those_of_each_alone(pair, images):
    assert_same(pair, images[0], TEXTS * 10)


def test_arrays_and_odd_images_are_read_as_by_the_model(pair, images, tmp_path):
    levels = np.linspace(0, 65535, 60 * 90).astype(np.uint16).reshape(60, 90)
    Image.fromarray(levels).save(tmp_path / 'deep.png')
    image = Image.open(images[1])
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / 'turned.jpg', exif=exif)
    image.convert('CMYK').save(tmp_path / 'cmyk.tif')
    image.putalpha(128)
    image.save(tmp_path / 'clear.png')
    Image.new('RGB', (1, 1), 'red').save(tmp_path / 'dot.png')
    assert_same(pair, tmp_path, TEXTS)
    assert_same(pair, [cv2.imread(images[0]), image], TEXTS)


def test_image_without_room_on_the_canvas_is_refused_by_both(pair):
    image = np.zeros((5000, 1, 3), np.uint8)
    lines = set()
    for ask in (*pair, pair[1].model):
        with pytest.raises(ValueError, match='nothing is left of its width') as caught:
            ask(image, 'left block')
        lines.add(str(caught.value))
    (line,) = lines
    assert line.startswith('the image (1x5000 pixels) cannot be prepared: resized to')


def test_calls_differ_in_nothing_else(pair, images, tmp_path):
    broken = tmp_path / 'broken.jpg'
    broken.write_bytes(b'no image')
    expected, found = (
        inferencer(
            [broken, images[0]],
            TEXTS,
            skip_unreadable=True,
            return_vis=True,
            out_dir=tmp_path / type(inferencer).__name__,
        )
        for inferencer in pair
    )
    assert found['errors'] == expected['errors'] != []
    assert np.array_equal(found['visualization'], expected['visualization'])
    written = [
        json.loads(
            (tmp_path / name / 'preds' / 'COCO_train2014_000000000000.json').read_text()
        )
        for name in ('RECInferencer', 'ONNXInferencer')
    ]
    assert written[0]['text'] == written[1]['text']
    with pytest.raises(ValueError, match='an expression is empty'):
        pair[1](images[0], ' ')


def test_image_is_encoded_once_for_many_sentences(pair, images):
    predictor = pair[1].model
    image = predictor.encode(images[0])
    for text in TEXTS:
        (box,), (truncated,) = predictor.ground(image, [text])
        wanted = pair[0](images[0], text)['predictions'][0]
        np.testing.assert_allclose(box, wanted['bboxes'][0], rtol=0, atol=0.01)
        assert wanted['truncated'] == [truncated]


def test_threads_that_share_a_predictor_get_what_one_gets(pair, images):
    predictor = pair[1].model
    queries = [(image, TEXTS[: n % 4 + 1]) for n, image in enumerate(images * 3)]
    expected = [predictor(*query) for query in queries]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda query: predictor(*query), queries)) == expected


def test_images_are_asked_where_they_were_encoded(pair, images):
    encoded = [inferencer.encode_image(images[0]) for inferencer in pair]
    for inferencer, image in zip(pair, reversed(encoded), strict=True):
        with pytest.raises(ValueError, match='another kind of inferencer'):
            inferencer.ground(image, 'left block')


def test_folder_that_is_none_is_named(exported, tmp_path):
    with pytest.raises(FileNotFoundError, match='no exported model in .*model.json is'):
        ONNXInferencer(tmp_path)
    with pytest.raises(ValueError, match='threads must be at least 1, got 0'):
        ONNXInferencer(exported, threads=0)

    def copy(name, content):
        folder = tmp_path / 'copy'
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(exported, folder)
        if content is None:
            (folder / name).unlink()
        else:
            (folder / name).write_bytes(content)
        return folder

    half = (exported / 'image.onnx').read_bytes()[:5000]
    for name, content, error, reason in (
        ('text.onnx', None, FileNotFoundError, 'text.onnx is missing'),
        ('image.onnx', half, ValueError, 'image.onnx cannot be opened'),
        ('tokenizer/tokenizer.json', b'{}', ValueError, 'tokenizer.json cannot be op'),
        ('model.json', b'[]', ValueError, 'model.json is damaged'),
        ('model.json', b'{"format": 99}', ValueError, 'format 99, and 1 is read'),
    ):
        with pytest.raises(error, match=reason) as caught:
            ONNXInferencer(copy(name, content))
        assert '\n' not in str(caught.value)
