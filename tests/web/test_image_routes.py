from dataclasses import replace

import pytest

pytest.importorskip('gradio')

from starlette.applications import Starlette  # noqa: E402
from starlette.testclient import TestClient  # noqa: E402

from m2ist_mm.web.image_memory import ImageMemory, OpenedImage  # noqa: E402
from m2ist_mm.web.image_routes import image_routes  # noqa: E402


class Nothing:
    nbytes = 0


def test_images_are_served_while_they_are_remembered():
    memory = ImageMemory(max_bytes=100, images=1, idle_seconds=60)
    client = TestClient(Starlette(routes=image_routes(memory)))
    image = OpenedImage('12ab', 'me', 'dogs', (1, 1), b'small', Nothing, 0.1)
    memory.keep(image)
    answer = client.get('/preview/12ab')
    assert (answer.content, answer.headers['content-type']) == (b'small', 'image/jpeg')
    assert answer.headers['cache-control'] == 'private, max-age=60'
    assert client.get('/attention/12ab').status_code == 404
    memory.keep(replace(image, attention=b'drawn'))
    assert client.get('/attention/12ab').content == b'drawn'
    memory.keep(replace(image, key='34cd'))
    assert client.get('/preview/12ab').status_code == 404
