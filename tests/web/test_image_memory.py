import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from m2ist_mm.apis import EncodedImage
from m2ist_mm.structures import TowerFeatures
from m2ist_mm.web.image_memory import ImageMemory, OpenedImage


def opened(key, user='me', size=1000):
    """An image of ``size`` bytes."""
    preview, encoded = bytes(size - 24), EncodedImage(torch.zeros(6), None)
    return OpenedImage(key, user, key, (1, 1), preview, encoded, 0.1)


@pytest.fixture
def memory():
    return ImageMemory(max_bytes=3500, images=2, idle_seconds=60)


def kept(memory):
    return [image.key for image, _ in memory._kept.values()]


def test_all_tensors_and_arrays_are_counted():
    tokens, mask = torch.zeros(1, 5, 4), torch.zeros(1, 5, dtype=torch.bool)
    features = TowerFeatures(tokens, mask, taps=dict(ffn=[tokens, tokens]))
    assert EncodedImage(features, None).nbytes == 3 * 80 + 5
    assert EncodedImage(np.zeros(3), None).nbytes == 24
    image = replace(opened('a'), attention=b'12345')
    assert image.nbytes == 1005


def test_image_used_longest_ago_is_forgotten_for_bytes(memory):
    for user in 'abc':
        memory.keep(opened(user, user))
    assert memory.find('a').key == 'a'
    memory.keep(opened('d', 'd'))
    assert kept(memory) == ['c', 'a', 'd']
    assert memory.find('b') is memory.find(None) is None
    memory.keep(opened('e', 'e', size=5000))
    assert kept(memory) == ['e']


def test_user_keeps_the_last_images(memory):
    for key in ('a', 'b', 'a', 'c'):
        memory.keep(opened(key))
    memory.keep(opened('other', 'other'))
    assert kept(memory) == ['a', 'c', 'other']


def test_image_is_kept_in_place_of_one_of_its_key(memory):
    memory.keep(opened('a'))
    memory.keep(opened('a', size=700))
    assert memory.nbytes == 700


def test_idle_image_is_forgotten(memory, monkeypatch):
    now = time.monotonic()
    for key in 'ab':
        memory.keep(opened(key))
    for seconds, found in ((50, True), (100, True), (170, False)):
        monkeypatch.setattr(time, 'monotonic', lambda: now + seconds)  # noqa: B023
        assert (memory.find('a') is not None) is found
    assert not kept(memory)
