import numpy as np
import pytest
from PIL import Image

from m2ist_mm.web import PHOTOGRAPHS, Limits, draw_examples, read_examples


def test_drawn_examples_are_always_the_same():
    first, again = draw_examples(2), draw_examples(2)
    assert [one.sentences for one in first] == [one.sentences for one in again]
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.image, other.image)
        assert len(one.sentences) == len(set(one.sentences)) == 3
    assert (first[0].image != first[1].image).any()


def test_thumbnail_is_the_middle_in_rgb():
    (example,) = draw_examples(1)
    image = np.zeros((90, 30, 3), np.uint8)
    image[30:60, :, 0] = 255  # blue
    thumbnail = type(example)('blue', image, ()).thumbnail
    assert thumbnail.shape[0] == thumbnail.shape[1]
    assert (thumbnail == (0, 0, 255)).all()


def test_folder_of_examples(tmp_path):
    Image.new('RGB', (8, 6), 'red').save(tmp_path / 'dog.png')
    with pytest.raises(FileNotFoundError, match=r'dog\.txt'):
        read_examples(tmp_path)
    (tmp_path / '._dog.png').write_bytes(b'what a Mac writes')
    (tmp_path / 'dog.txt').write_text('le chien à gauche', encoding='latin-1')
    with pytest.raises(ValueError, match=r'dog\.txt is no text in UTF-8'):
        read_examples(tmp_path)
    (tmp_path / 'dog.txt').write_text(' the left dog\n\nthe cat\n')
    (example,) = read_examples(tmp_path)
    assert example.name == 'dog'
    assert example.image.shape == (6, 8, 3)
    assert example.sentences == ('the left dog', 'the cat')
    (tmp_path / 'dog.txt').write_text('\n')
    with pytest.raises(ValueError, match=r'dog\.txt has no sentence'):
        read_examples(tmp_path)
    (tmp_path / 'dog.png').unlink()
    with pytest.raises(ValueError, match='no image in the folder'):
        read_examples(tmp_path)


def test_sentences_of_an_example_are_within_the_limits_of_the_page(tmp_path):
    Image.new('RGB', (8, 6)).save(tmp_path / 'dog.png')
    file = tmp_path / 'dog.txt'
    for text, reason in (
        ('a dog\n' * 21, '21 sentences, and at most 20 are taken'),
        ('a' * 201, 'A sentence has 201 characters, and at most 200'),
        ('a dog\n\u3164', 'has no visible character'),
    ):
        file.write_text(text, encoding='utf-8')
        with pytest.raises(ValueError, match=rf'dog\.txt: .*{reason}') as caught:
            read_examples(tmp_path)
        assert '\n' not in str(caught.value)
    file.write_text('a dog\n' * 21)
    (example,) = read_examples(tmp_path, Limits(sentences=21))
    assert len(example.sentences) == 21


def test_mark_of_utf_8_is_no_part_of_a_sentence(tmp_path):
    Image.new('RGB', (8, 6)).save(tmp_path / 'dog.png')
    (tmp_path / 'dog.txt').write_text('the left dog', encoding='utf-8-sig')
    (example,) = read_examples(tmp_path)
    assert example.sentences == ('the left dog',)


def test_photographs_have_sentences_and_terms():
    notice = (PHOTOGRAPHS / 'NOTICE.md').read_text(encoding='utf-8')
    examples = read_examples(PHOTOGRAPHS)
    assert [example.name for example in examples] == [
        'astronaut',
        'cat',
        'coffee',
        'photographer',
    ]
    for example in examples:
        assert f'`{example.name}.jpg`' in notice
        assert max(example.image.shape) <= 640
