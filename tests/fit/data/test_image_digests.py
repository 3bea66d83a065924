"""Fingerprints of images."""

import cv2
import numpy as np
import pytest

from m2ist_mm.fit.data.image_digests import (
    digest_images,
    find_near_duplicates,
    group_look_alikes,
    look_of,
    same_files,
)


def image(seed):
    """Something smooth, as photographs are."""
    noise = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), np.uint8)
    return cv2.resize(noise, (320, 240), interpolation=cv2.INTER_CUBIC)


def bits(one, other):
    return bin(int(one, 16) ^ int(other, 16)).count('1')


@pytest.mark.parametrize('seed', range(5))
def test_a_look_survives_size_and_compression(seed):
    whole = image(seed)
    small = cv2.resize(whole, (100, 75), interpolation=cv2.INTER_AREA)
    packed = cv2.imdecode(
        cv2.imencode('.jpg', small, [cv2.IMWRITE_JPEG_QUALITY, 40])[1], 1
    )
    assert bits(look_of(whole), look_of(packed)) <= 10
    assert bits(look_of(whole), look_of(image(seed + 100))) > 30


def test_flat_images_look_like_none():
    assert look_of(np.full((80, 100, 3), 128, np.uint8)) is None
    assert find_near_duplicates(dict(a=None, b=None), dict(a='train', b='val')) == []


def test_pairs_are_of_different_splits_and_sorted():
    looks = {name: look_of(image(number)) for number, name in enumerate('abcd')}
    looks['e'] = looks['a']
    looks['f'] = looks['a'][:-1] + format(int(looks['a'][-1], 16) ^ 1, 'x')
    splits = dict.fromkeys('abcd', 'train') | dict(e='val', f='train')
    assert find_near_duplicates(looks, splits) == [('a', 'e', 0), ('e', 'f', 1)]


def digests_of(looks, files):
    return {
        name: dict(look=look, sha256=file)
        for name, look, file in zip('abcdefghijkl', looks, files, strict=True)
    }


def flip(look, bits):
    """The look with its first bits turned."""
    return f'{int(look, 16) ^ ((1 << bits) - 1):032x}'


def test_look_alikes_are_grouped_also_by_others():
    looks = [look_of(image(number)) for number in range(8)]
    # j is like b, and i like j alone; k and l have no look, but are the same file
    looks += [flip(looks[1], 30), flip(looks[1], 15), None, None]
    digests = digests_of(looks, [*map(str, range(10)), 'same', 'same'])
    groups = group_look_alikes(digests)
    alone = 'acdefgh'
    assert groups == dict(zip(alone, alone, strict=True)) | dict(
        b='b', i='b', j='b', k='k', l='k'
    )


def test_a_group_of_most_images_falls_apart_into_same_files():
    look = look_of(image(0))
    digests = digests_of([look] * 4 + [None] * 8, '001234567890')
    # four of twelve look the same, two of them and the last are the same file
    assert list(group_look_alikes(digests).values()) == [
        *('a', 'a', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'a')
    ]


def test_images_are_decoded_once(tmp_path, monkeypatch):
    for number in range(3):
        cv2.imwrite(str(tmp_path / f'{number}.png'), image(number % 2))
    images = {str(n): tmp_path / f'{n}.png' for n in range(3)}
    record = tmp_path / 'record.json'
    first, faults = digest_images(images, record)
    assert faults == [] and list(first) == ['0', '1', '2']
    assert sorted(same_files(first)) == [['0', '2'], ['1']]

    def refuse(path):
        raise AssertionError('decoded again')

    monkeypatch.setattr('m2ist_mm.fit.data.image_digests.read_image', refuse)
    assert digest_images(images, record) == (first, [])
    monkeypatch.undo()
    cv2.imwrite(str(images['1']), image(7))
    changed, _ = digest_images(images, record)
    assert changed['1']['sha256'] != first['1']['sha256']
    assert changed['0'] == first['0']
    record.write_text('no record')
    assert digest_images(images, record)[0] == changed


def test_what_is_no_image_is_a_fault(tmp_path):
    (tmp_path / 'a.png').write_bytes(b'none')
    paths = dict(a=tmp_path / 'a.png', b=tmp_path / 'b.png')
    digests, faults = digest_images(paths, tmp_path / 'record.json')
    assert digests == {} and len(faults) == 2
    assert 'a.png cannot be read as an image' in faults[0]
    assert 'b.png' in faults[1]


def test_frames_that_are_all_alike_are_not_all_listed(monkeypatch):
    monkeypatch.setattr('m2ist_mm.fit.data.image_digests.MOST_PAIRS', 12)
    looks = {str(number): '0' * 32 for number in range(40)}
    splits = {name: 'train' if int(name) % 2 else 'val' for name in looks}
    assert 12 <= len(find_near_duplicates(looks, splits)) < 12 + 40
