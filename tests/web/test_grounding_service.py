import pickle
from concurrent.futures import ThreadPoolExecutor
from shutil import copy

import numpy as np
import pytest
from PIL import Image

from m2ist_mm.apis import ONNXInferencer
from m2ist_mm.visualization import draw_attention
from m2ist_mm.web import Example, GroundingService, Limits, draw_examples
from m2ist_mm.web.jpeg import from_jpeg
from m2ist_mm.web.session import Session

SENTENCES = ['left block', 'pink one', 'right block', 'yellow one']


@pytest.fixture(scope='module')
def images(mini_refcoco):
    folder = mini_refcoco / 'train2014'
    return [folder / f'COCO_train2014_{number:012d}.jpg' for number in range(7)]


@pytest.fixture
def upload(tmp_path):
    """Function that uploads an image; gives the upload's path."""

    def put(image):
        return copy(image, tmp_path / f'{len(list(tmp_path.iterdir()))}_{image.name}')

    return put


@pytest.fixture
def encodings(inferencer, monkeypatch):
    """Sizes of the images that the vision side ran on."""
    seen, encode = [], inferencer.encode_image

    def count(image):
        seen.append(image.shape[:2])
        return encode(image)

    monkeypatch.setattr(inferencer, 'encode_image', count)
    return seen


@pytest.fixture
def service(inferencer, encodings):
    return GroundingService(inferencer, Limits(images=2, pixels=100_000))


def expected_boxes(inferencer, image, sentences):
    return np.array(inferencer(str(image), sentences)['predictions'][0]['bboxes'])


def test_image_is_encoded_once_while_sentences_change(
    service, inferencer, encodings, images, upload
):
    session = Session()
    service.open_upload(session, upload(images[3]))
    for asked in (SENTENCES, SENTENCES[:1], [' LEFT Block ', 'one ' * 9]):
        answer = service.ask(session, '\n'.join(asked))
        expected = expected_boxes(inferencer, images[3], asked)
        np.testing.assert_allclose(answer.bboxes, expected, atol=1e-3)
    assert answer.truncated == [False, True]
    assert len(encodings) == 1


def test_last_images_of_a_session_stay_encoded(service, encodings, images, upload):
    session = Session()
    for image in (images[0], images[1], images[0], images[2], images[0]):
        service.open_upload(session, upload(image))
    assert len(encodings) == 3
    service.open_upload(session, upload(images[1]))  # was dropped for the third
    assert len(encodings) == 4
    service.open_upload(Session(), upload(images[1]))  # another user
    assert len(encodings) == 5


def test_two_users_may_send_one_file_at_once(service, inferencer, images, upload):
    sessions = Session(), Session()
    path = upload(images[3])  # gradio names files by their content
    keys = {service.open_upload(session, path).key for session in sessions}
    assert len(keys) == 2
    expected = expected_boxes(inferencer, images[3], SENTENCES)
    for session in sessions:
        answer = service.ask(session, '\n'.join(SENTENCES))
        np.testing.assert_allclose(answer.bboxes, expected, atol=1e-3)


@pytest.mark.slow
def test_memory_of_many_users_with_large_images_is_bounded(inferencer):
    limits = Limits(memory_bytes=8 * 2**20)
    service, sessions = GroundingService(inferencer, limits), []
    generator = np.random.default_rng(0)
    for _ in range(12):
        sessions.append(Session())
        noise = generator.integers(0, 256, (1200, 1600, 3), np.uint8)
        service.open_example(sessions[-1], Example('noise', noise, ()))
        service.ask(sessions[-1], SENTENCES[0])
        service.attend(sessions[-1], 1, 1, 0)
        whole = len(pickle.dumps((service.memory._kept, sessions)))
        assert whole < 8.1 * 2**20
    assert whole > 4 * 2**20
    service.ask(sessions[-1], SENTENCES[0])
    with pytest.raises(ValueError, match='earlier when many are asked'):
        service.ask(sessions[0], SENTENCES[0])


def test_several_users_at_once_get_their_own_boxes(service, inferencer, images, upload):
    uploads = [upload(image) for image in images]

    def use(number):
        session = Session()
        service.open_upload(session, uploads[number])
        asked = SENTENCES[number % 4 :] or SENTENCES
        return [service.ask(session, '\n'.join(asked)).bboxes for _ in range(3)]

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(use, range(len(images))))
    for number, answers in enumerate(found):
        asked = SENTENCES[number % 4 :] or SENTENCES
        expected = expected_boxes(inferencer, images[number], asked)
        for bboxes in answers:
            np.testing.assert_allclose(bboxes, expected, atol=1e-3)


def test_unreadable_upload_leaves_no_image(service, images, upload, tmp_path):
    session = Session()
    service.open_upload(session, upload(images[0]))
    service.ask(session, 'left block')
    bad = tmp_path / 'bad.jpg'
    bad.write_bytes(images[0].read_bytes()[:300])
    large = tmp_path / 'large.png'
    Image.new('RGB', (400, 300)).save(large)
    for path, line in ((bad, 'cannot be read'), (large, '0.1 million')):
        with pytest.raises(ValueError, match=line):
            service.open_upload(session, path)
        assert session.image is session.answer is None
        with pytest.raises(ValueError, match='Choose an image first'):
            service.ask(session, 'left block')


def test_preview_is_small_and_rgb(inferencer):
    service, session = GroundingService(inferencer), Session()
    image = np.zeros((20, 2560, 3), np.uint8)
    image[..., 0] = 255  # blue
    opened = service.open_example(session, Example('wide', image, ('a',)))
    assert opened.size == (2560, 20)
    preview = from_jpeg(opened.preview)
    assert preview.shape == (10, 1280, 3)
    np.testing.assert_allclose(preview.astype(int), 0 * preview + (0, 0, 255), atol=2)


def test_attention_is_drawn_over_the_place_that_is_looked_at(
    service, inferencer, images, upload
):
    session = Session()
    with pytest.raises(ValueError, match='Choose an image'):
        service.attend(session, 1, 1, 0)
    service.open_upload(session, upload(images[3]))
    with pytest.raises(ValueError, match='Ask a sentence first'):
        service.attend(session, 1, 1, 0)
    service.ask(session, '\n'.join(SENTENCES))
    layers, heads = service.attention_shape(draw_examples(1)[0])
    opened, caption = service.attend(session, 2, layers, 0)
    drawn = from_jpeg(opened.attention)
    assert drawn.shape == from_jpeg(opened.preview).shape
    assert caption == f'"pink one", layer {layers}, mean of the heads'
    other, caption = service.attend(session, 2, 1, heads)
    assert caption.endswith(f'layer 1, head {heads}')
    assert (drawn != from_jpeg(other.attention)).any()
    for number, layer, head, line in (
        (0, 1, 0, 'sentences 1 to 4'),
        (5, 1, 0, 'sentences 1 to 4'),
        (1, layers + 1, 0, f'layers 1 to {layers}'),
        (1, 1, -1, f'heads 1 to {heads}'),
        (None, 1, 0, 'sentences 1 to 4'),
        ('x', 1, 0, 'sentences 1 to 4'),
        (1.5, 1, 0, 'sentences 1 to 4'),
        (1, None, 0, f'layers 1 to {layers}'),
        (1, '1', 0, f'layers 1 to {layers}'),
        (1, 1, None, f'heads 1 to {heads}'),
    ):
        with pytest.raises(ValueError, match=line):
            service.attend(session, number, layer, head)


def test_attention_of_a_large_image_is_drawn_over_its_preview(inferencer, images):
    large = np.asarray(Image.open(images[3]).resize((2560, 1500)))[..., ::-1]
    service, session = GroundingService(inferencer), Session()
    service.open_example(session, Example('large', large, ()))
    service.ask(session, SENTENCES[0])
    opened, _ = service.attend(session, 1, 1, 1)
    drawn = from_jpeg(opened.attention)
    assert drawn.shape == (750, 1280, 3)
    found = inferencer.ground(
        inferencer.encode_image(large), SENTENCES[0], return_attention=True
    )
    whole = draw_attention(
        large[..., ::-1], found['attention'][0, 0, 0], found['placement']
    )
    expected = np.asarray(Image.fromarray(whole).resize((1280, 750), Image.BOX))
    difference = np.abs(drawn.astype(int) - expected)
    assert difference.mean() < 3
    assert np.ptp(expected.mean(-1)) > 30


@pytest.mark.slow
def test_exported_model_answers_and_has_no_attention(
    exported, inferencer, images, upload
):
    service, session = GroundingService(ONNXInferencer(exported)), Session()
    assert service.attention_shape(draw_examples(1)[0]) is None
    service.open_upload(session, upload(images[3]))
    for asked in (SENTENCES, SENTENCES[:1]):
        answer = service.ask(session, '\n'.join(asked))
        expected = expected_boxes(inferencer, images[3], asked)
        np.testing.assert_allclose(answer.bboxes, expected, atol=0.5)
