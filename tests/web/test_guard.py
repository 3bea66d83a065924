import asyncio

import pytest

pytest.importorskip('gradio')

from starlette.applications import Starlette  # noqa: E402
from starlette.middleware import Middleware  # noqa: E402
from starlette.responses import PlainTextResponse  # noqa: E402
from starlette.routing import Route  # noqa: E402
from starlette.testclient import TestClient  # noqa: E402

from m2ist_mm.web.guard import Guard  # noqa: E402


async def count(request):
    return PlainTextResponse(str(len(await request.body())))


@pytest.fixture
def full():
    return []


@pytest.fixture
def client(full):
    guard = Middleware(Guard, max_bytes=100, is_full=lambda: bool(full))
    routes = [Route(path, count, methods=['GET', 'POST']) for path in ('/', '/upload')]
    return TestClient(Starlette(routes=routes, middleware=[guard]))


def chunks(number):
    for _ in range(number):
        yield b'x' * 10


def test_body_within_the_limit_passes_with_headers(client):
    answer = client.post('/', content=b'x' * 100)
    assert (answer.status_code, answer.text) == (200, '100')
    policy = answer.headers['content-security-policy']
    assert "default-src 'self'" in policy
    assert 'http' not in policy
    assert client.get('/').headers['x-content-type-options'] == 'nosniff'
    assert client.post('/', content=chunks(10)).text == '100'


@pytest.mark.parametrize('content', [b'x' * 101, 'chunks'])
def test_larger_body_is_refused(client, content):
    content = chunks(11) if content == 'chunks' else content
    answer = client.post('/', content=content)
    assert answer.status_code == 413
    assert 'at most' in answer.text


def test_length_that_is_no_number_is_refused(client):
    answer = client.post('/', headers={'content-length': '-1'})
    assert answer.status_code == 413


def test_uploads_wait_while_the_folder_is_full(client, full):
    assert client.post('/upload', content=b'x').status_code == 200
    full.append(True)
    answer = client.post('/upload', content=b'x')
    assert (answer.status_code, 'in a minute' in answer.text) == (503, True)
    assert client.post('/', content=b'x').status_code == 200


@pytest.mark.parametrize(('path', 'status'), [('/upload', 503), ('/', 200)])
def test_upload_ends_when_others_fill_the_folder_meanwhile(full, path, status):
    sent = []

    async def receive():
        if len(sent) == 3:
            full.append(True)
        sent.append(b'x' * 10)
        return dict(type='http.request', body=sent[-1], more_body=len(sent) < 6)

    async def send(message):
        answers.append(message)

    answers = []
    route = Route(path, count, methods=['POST'])
    guard = Middleware(Guard, max_bytes=100, is_full=lambda: bool(full))
    app = Starlette(routes=[route], middleware=[guard])
    scope = dict(type='http', method='POST', path=path, headers=[], query_string=b'')
    asyncio.run(app(scope, receive, send))
    assert answers[0]['status'] == status
    assert len(sent) == (4 if status == 503 else 6)
