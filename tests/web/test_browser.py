"""The page in a real browser: chromium, driven by Playwright."""

import io
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
SENTENCES = ['left block', 'pink one', 'right block']
PATIENCE = 20_000  # milliseconds
RECORD_CONNECTIONS = """
import pathlib, sys

def record(event, arguments):
    if event == 'socket.connect' and isinstance(arguments[1], tuple):
        with open(pathlib.Path(__file__).with_name('connections'), 'a') as file:
            print(arguments[1][0], file=file)

sys.addaudithook(record)
"""

sync_api = pytest.importorskip('playwright.sync_api')
pytest.importorskip('gradio')
CHROMIUM = shutil.which('chromium')
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason='there is no chromium'),
]


@pytest.fixture(scope='module')
def server(nano, tmp_path_factory):
    """Address of a running page, and where it keeps uploads."""
    config, checkpoint = nano
    temporary = tmp_path_factory.mktemp('tmp')
    # read by Python at its start
    (temporary / 'sitecustomize.py').write_text(RECORD_CONNECTIONS)
    paths = [str(temporary), str(ROOT), os.environ.get('PYTHONPATH', '')]
    process = subprocess.Popen(
        [sys.executable, 'tools/web_demo.py', '--device', 'cpu']
        + ['--config', str(config), '--checkpoint', str(checkpoint)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env={
            **os.environ,
            'TMPDIR': str(temporary),
            'PYTHONPATH': os.pathsep.join(paths),
        },
    )
    url = next(
        match[0]
        for line in process.stdout
        if (match := re.search(r'http://127\.0\.0\.1:\d+', line))
    )
    yield url, temporary
    process.terminate()
    assert process.wait(20) == 143
    assert not list(temporary.glob('m2ist_mm-uploads-*'))
    reached = set((temporary / 'connections').read_text().split())
    assert reached and reached <= {'127.0.0.1', '::1'}


@pytest.fixture(scope='module')
def browser():
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=['--no-sandbox']
        )
        yield browser
        browser.close()


@pytest.fixture
def open_page(server, browser):
    """Function that opens the page as a new user."""
    contexts, wrong = [], []

    def open_page(**options):
        contexts.append(browser.new_context(**options))
        page = contexts[-1].new_page()
        page.set_default_timeout(PATIENCE)
        page.on('pageerror', lambda error: wrong.append(str(error)))
        page.on(
            'request',
            lambda request: (
                request.url.startswith((server[0], 'data:', 'blob:'))
                or wrong.append(request.url)
            ),
        )
        page.goto(server[0])
        page.wait_for_selector('#find')
        page.wait_for_selector('#examples button')
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not wrong


@pytest.fixture
def image(mini_refcoco):
    return mini_refcoco / 'train2014' / 'COCO_train2014_000000000003.jpg'


def upload(page, file):
    page.set_input_files('#upload input[type=file]', file)


def drawn_boxes(page):
    """Boxes as they are on the screen, in pixels of the image."""
    stage = page.locator('#result .rec-stage')
    size = [float(stage.get_attribute(f'data-{side}')) for side in ('width', 'height')]
    frame = stage.locator('img').bounding_box()
    boxes = []
    for box in stage.locator('.rec-box').all():
        place = box.bounding_box()
        left = (place['x'] - frame['x']) / frame['width'] * size[0]
        top = (place['y'] - frame['y']) / frame['height'] * size[1]
        right = left + place['width'] / frame['width'] * size[0]
        bottom = top + place['height'] / frame['height'] * size[1]
        boxes.append([left, top, right, bottom])
    return np.array(boxes)


def expected_boxes(inferencer, image, sentences=SENTENCES):
    return np.array(inferencer(image, sentences)['predictions'][0]['bboxes'])


def wait_for_boxes(page, count):
    sync_api.expect(page.locator('#result .rec-box')).to_have_count(
        count, timeout=PATIENCE
    )


def test_boxes_are_drawn_where_the_model_says(open_page, inferencer, image, server):
    page = open_page()
    upload(page, image)
    page.wait_for_selector('#result .rec-stage')
    assert not page.locator('#result .rec-box').count()
    page.fill('#sentences textarea', '\n'.join(SENTENCES))
    page.click('#find')
    wait_for_boxes(page, 3)
    expected = expected_boxes(inferencer, str(image))
    np.testing.assert_allclose(drawn_boxes(page), expected, atol=1.5)
    colors = [
        box.evaluate('one => getComputedStyle(one).borderTopColor')
        for box in page.locator('#result .rec-box').all()
    ]
    assert len(set(colors)) == 3
    assert 'encoded once' in page.locator('#result .rec-times').inner_text()
    assert 'always' in page.locator('body').inner_text()

    # other sentences, the same image
    page.fill('#sentences textarea', 'yellow one\n\n')
    page.press('#sentences textarea', 'Shift+Enter')
    wait_for_boxes(page, 1)
    expected = expected_boxes(inferencer, str(image), ['yellow one'])
    np.testing.assert_allclose(drawn_boxes(page), expected, atol=1.5)

    page.get_by_text('Where the model looked').click()
    page.click('#look')
    page.wait_for_selector('#attention img')
    for image in page.locator('.rec-stage img').all():
        image.evaluate('one => one.decode()')  # fails where nothing was loaded
    assert '"yellow one"' in page.locator('#attention').inner_text()


def test_two_users_at_once_get_their_own_boxes(open_page, inferencer, mini_refcoco):
    folder = mini_refcoco / 'train2014'
    images = [folder / f'COCO_train2014_{number:012d}.jpg' for number in (0, 6)]
    asked = (SENTENCES, ['yellow one', 'left block'])
    pages = [open_page(), open_page()]
    for _ in range(2):
        for page, image, sentences in zip(pages, images, asked, strict=True):
            page.fill('#sentences textarea', '\n'.join(sentences))
            upload(page, image)
        for page in pages:
            page.click('#find', no_wait_after=True)
        for page, image, sentences in zip(pages, images, asked, strict=True):
            wait_for_boxes(page, len(sentences))
            expected = expected_boxes(inferencer, str(image), sentences)
            np.testing.assert_allclose(drawn_boxes(page), expected, atol=1.5)


def test_keyboard_is_enough(open_page, inferencer, image):
    page = open_page()

    def focus(selector):
        for _ in range(30):
            page.keyboard.press('Tab')
            if page.evaluate(f'!!document.activeElement.closest("{selector}")'):
                return
        raise AssertionError(f'the tab key does not reach {selector}')

    focus('#upload button')
    for _ in range(5):  # the button is there before the page listens to it
        try:
            with page.expect_file_chooser(timeout=4000) as chooser:
                page.keyboard.press('Enter')
            break
        except sync_api.TimeoutError:
            continue
    chooser.value.set_files(image)
    page.wait_for_selector('#result .rec-stage')
    focus('#sentences textarea')
    page.keyboard.type(SENTENCES[0])
    focus('#find')
    page.keyboard.press('Enter')
    wait_for_boxes(page, 1)
    expected = expected_boxes(inferencer, str(image), SENTENCES[:1])
    np.testing.assert_allclose(drawn_boxes(page), expected, atol=1.5)
    page.keyboard.press('Tab')
    page.keyboard.press('Enter')  # the first example
    wait_for_boxes(page, 3)


def as_file(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def turned(image):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    return as_file(image, 'JPEG', exif=exif)


def odd_images():
    generator = np.random.default_rng(0)
    photo = Image.fromarray(generator.integers(0, 255, (60, 90, 3)).astype(np.uint8))
    grey = Image.fromarray(generator.integers(0, 2**16, (60, 90)).astype(np.uint16))
    frames = [photo.rotate(angle) for angle in (0, 90, 180)]
    clear = photo.copy()
    clear.putalpha(Image.linear_gradient('L').resize(photo.size))
    return {
        'tiny.png': (as_file(Image.new('RGB', (1, 1)), 'PNG'), (1, 1)),
        'thin.png': (as_file(Image.new('RGB', (12, 1200)), 'PNG'), (12, 1200)),
        'wide.png': (as_file(Image.new('L', (1200, 12)), 'PNG'), (1200, 12)),
        '16bit.png': (as_file(grey, 'PNG'), (90, 60)),
        'clear.png': (as_file(clear, 'PNG'), (90, 60)),
        'moving.gif': (
            as_file(photo, 'GIF', save_all=True, append_images=frames),
            (90, 60),
        ),
        'cmyk.jpg': (as_file(photo.convert('CMYK'), 'JPEG'), (90, 60)),
        'turned.jpg': (turned(photo), (60, 90)),
        'scan.tiff': (as_file(photo, 'TIFF'), (90, 60)),
        'line.png': (
            as_file(Image.new('RGB', (1, 5000)), 'PNG'),
            'the image (1x5000 pixels) cannot be prepared',
        ),
        'broken.jpg': (as_file(photo, 'JPEG')[:900], 'cannot be read as an image'),
        'text.txt': (b'no image at all', 'cannot be read as an image'),
        'empty.png': (b'', 'cannot be read as an image'),
        'huge.png': (
            as_file(Image.new('1', (9000, 9000)), 'PNG'),
            '"huge.png" has 9000x9000 pixels, and at most 30 million are taken',
        ),
        'no.jpg': (b'<svg onload="alert(1)">', 'cannot be read as an image'),
    }


def test_odd_uploads_are_answered_or_refused_in_one_line(
    open_page, inferencer, tmp_path
):
    page = open_page()
    page.fill('#sentences textarea', SENTENCES[0])
    for name, (content, outcome) in odd_images().items():
        path = tmp_path / name
        path.write_bytes(content)
        upload(page, path)
        if isinstance(outcome, str):
            error = page.locator('#result .rec-error')
            sync_api.expect(error).to_contain_text(outcome, timeout=PATIENCE)
            assert '\n' not in error.inner_text()
            assert str(tmp_path) not in error.inner_text()
            continue
        stage = page.locator(f'#result .rec-stage:has(img[alt^="{name}"])')
        stage.wait_for()
        assert stage.get_attribute('data-width') == str(outcome[0])
        wait_for_boxes(page, 1)
        place = stage.locator('.rec-box').bounding_box()
        assert place['width'] > 0 and place['height'] > 0
        expected = expected_boxes(inferencer, str(path), SENTENCES[:1])
        if min(outcome) > 12:  # drawn wider than they are
            np.testing.assert_allclose(drawn_boxes(page), expected, atol=1.5)


def test_file_of_too_many_bytes_is_refused(open_page, image, tmp_path):
    page = open_page()
    path = tmp_path / 'heavy.png'
    path.write_bytes(bytes(21 * 2**20))
    upload(page, path)
    page.get_by_text('exceed the maximum allowed size of 20').wait_for()
    page.click('#upload button:has(svg)')  # closes the message in the field
    upload(page, image)
    page.wait_for_selector('#result .rec-stage')


def test_page_fits_a_telephone(open_page, image):
    page = open_page(viewport=dict(width=390, height=844))
    page.fill('#sentences textarea', '\n'.join([*SENTENCES, 'w' * 200]))
    upload(page, image)
    wait_for_boxes(page, 4)
    width = page.evaluate('document.documentElement.scrollWidth')
    assert width <= 390


def test_only_uploads_are_read_and_deleted(open_page, server, image, tmp_path):
    page = open_page()
    secret = tmp_path / 'secret.png'
    Image.new('RGB', (8, 8)).save(secret)
    config = page.request.get(f'{server[0]}/config').json()
    (number,) = (
        one['id'] for one in config['dependencies'] if ['upload'] in _events(one)
    )
    for path in (str(secret), 'http://127.0.0.1:9/a.png', '', '../secret.png'):
        file = dict(path=path, meta=dict(_type='gradio.FileData'))
        call = dict(
            data=[None, file, 'left block'], fn_index=number, session_hash='mine'
        )
        joined = page.request.post(f'{server[0]}/gradio_api/queue/join', data=call)
        assert joined.ok
        stream = page.request.get(
            f'{server[0]}/gradio_api/queue/data?session_hash=mine'
        )
        assert '"success":false' in stream.text(), path
        assert secret.exists()


def test_two_users_who_send_one_file_at_once_are_both_answered(
    open_page, server, image
):
    page = open_page()
    config = page.request.get(f'{server[0]}/config').json()
    (number,) = (
        one['id'] for one in config['dependencies'] if ['upload'] in _events(one)
    )
    paths = [
        page.request.post(
            f'{server[0]}/gradio_api/upload', multipart=dict(files=_part(image))
        ).json()[0]
        for _ in range(2)
    ]
    assert paths[0] == paths[1]
    for user in ('one', 'other'):
        file = dict(path=paths[0], meta=dict(_type='gradio.FileData'))
        call = dict(data=[None, file, 'left block'], fn_index=number, session_hash=user)
        assert page.request.post(f'{server[0]}/gradio_api/queue/join', data=call).ok
        stream = page.request.get(
            f'{server[0]}/gradio_api/queue/data?session_hash={user}'
        )
        assert 'data-box' in stream.text()


def _part(image):
    return dict(name=image.name, mimeType='image/jpeg', buffer=image.read_bytes())


def _events(dependency):
    return [target[1:] for target in dependency['targets']]
