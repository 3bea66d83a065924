import pytest

from m2ist_mm.web import Limits


def test_sentences_are_the_lines_that_are_not_blank():
    text = '  left dog \r\n\n\t\nthe man, in red\n'
    assert Limits().split_sentences(text) == ['left dog', 'the man, in red']


@pytest.mark.parametrize(
    'text, line',
    [
        ('', 'Write a sentence'),
        (' \n\t\n', 'Write a sentence'),
        ('a\n' * 4, '4 sentences, and at most 3'),
        ('a\n' + 'b' * 11, 'has 11 characters, and at most 10'),
    ],
)
def test_what_is_not_within_the_limits_is_one_line(text, line):
    with pytest.raises(ValueError, match=line) as caught:
        Limits(sentences=3, characters=10).split_sentences(text)
    assert '\n' not in str(caught.value)
