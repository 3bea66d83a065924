"""The running page, asked by a program instead of a browser."""

import itertools
import re
import threading
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip('gradio')

import httpx  # noqa: E402

from m2ist_mm.structures import Placement  # noqa: E402
from m2ist_mm.web import Example, GroundingService, serve  # noqa: E402
from m2ist_mm.web import server as server_module  # noqa: E402

IMAGE = np.zeros((40, 60, 3), np.uint8)
EXAMPLES = [Example('first', IMAGE, ('a dog',)), Example('last', IMAGE, ('a cat',))]
SHOWN = Placement.identity((40, 60))


class Model:
    """Stands for an inferencer with 2 layers of 3 heads."""

    def encode_image(self, image):
        return image

    def ground(self, image, texts, return_attention=False):
        found = dict(bboxes=[[1, 2, 30, 20]] * len(texts), truncated=[False])
        if return_attention:
            found['attention'] = np.ones((len(texts), 2, 3, 4, 6), np.float32)
            found['placement'] = SHOWN
        return found


@pytest.fixture
def client(monkeypatch, capfd):
    """A client of the running page."""
    monkeypatch.setenv('GRADIO_TEMP_DIR', '')  # set by the server; put back here
    monkeypatch.setenv('GRADIO_ANALYTICS_ENABLED', 'False')
    begun, done = threading.Event(), threading.Event()

    def sleep(seconds):
        begun.set()
        done.wait()
        raise KeyboardInterrupt

    monkeypatch.setattr(server_module, 'time', SimpleNamespace(sleep=sleep))

    def run():
        with pytest.raises(KeyboardInterrupt):
            serve(GroundingService(Model()), EXAMPLES, 'a model')

    thread = threading.Thread(target=run)
    thread.start()
    assert begun.wait(60)
    url = re.search(r'http://127\.0\.0\.1:\d+', capfd.readouterr().out)[0]
    with httpx.Client(base_url=url, trust_env=False, timeout=60) as client:
        yield client
    done.set()
    thread.join()


@pytest.fixture
def call(client):
    """Function that calls what a component's event calls, as the page does."""
    config = client.get('/config').json()
    names = {one['id']: one['props'].get('elem_id') for one in config['components']}
    numbers = {
        names[target]: one['id']
        for one in config['dependencies']
        for target, _ in one['targets']
    }
    users = itertools.count()

    def call(name, data, event_data=None, user=None):
        user = user or f'user {next(users)}'
        body = dict(data=data, fn_index=numbers[name], session_hash=user)
        if event_data is not None:
            body['event_data'] = event_data
        assert client.post('/gradio_api/queue/join', json=body).is_success
        return client.get(f'/gradio_api/queue/data?session_hash={user}').text

    return call


def test_malformed_calls_get_one_line_and_print_none(client, call, capfd):
    answer = call('examples', [None], dict(number=1), 'one')
    assert 'data-box' in answer and 'a cat' in answer
    assert 'layer 2, head 3' in call('look', [None, 1, 2, 3], user='one')
    for event in (dict(number=-1), dict(number=2), dict(number='0'), {}, [1], 'number'):
        assert 'There are examples 0 to 1.' in call('examples', [None], event), event
    assert 'There are examples 0 to 1.' in call('examples', [None])
    for number in (None, 'x', -1, 2, 1.5):
        answer = call('look', [None, number, 1, 0], user='one')
        assert 'There are sentences 1 to 1.' in answer, number
    for layer, head in ((None, 0), (1, None), (99, 0), ('1', 0), (1, [0])):
        answer = call('look', [None, 1, layer, head], user='one')
        assert 'There are layers 1 to 2 and heads 1 to 3.' in answer, (layer, head)
    upload = dict(path='http://127.0.0.1:9/a', meta=dict(_type='gradio.FileData'))
    assert 'Upload a file.' in call('upload', [None, upload, 'a dog'])
    answer = client.post('/gradio_api/upload', files=dict(files=('', b'x')))
    assert answer.status_code == 400
    assert 'give the part a filename' in answer.text
    printed = capfd.readouterr()
    assert printed.out == printed.err == ''


def test_interface_is_not_described(client):
    assert client.get('/').status_code == 200
    for path in ('/openapi.json', '/docs', '/redoc'):
        assert client.get(path).status_code == 404, path
