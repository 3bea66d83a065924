"""Expressions that are asked of images, and their bounds."""

import pytest

from m2ist_mm.apis.queries import check_drawable, queries_by_image


def test_texts_are_for_every_image_or_a_list_for_each():
    assert queries_by_image(' left one ', 2) == [['left one'], ['left one']]
    assert queries_by_image(['a', 'b '], 2) == [['a', 'b'], ['a', 'b']]
    assert queries_by_image([['a'], ('b', 'c')], 2) == [['a'], ['b', 'c']]


@pytest.mark.parametrize('texts', ['', [' '], ['left one', ''], [], [['left one'], []]])
def test_empty_expression_is_refused(texts):
    with pytest.raises(ValueError, match='an expression is empty'):
        queries_by_image(texts, 2)


@pytest.mark.parametrize(
    ('text', 'reason'),
    [
        ('\0', 'no visible character'),
        ('\u3164', 'no visible character'),
        ('\u200b\ufeff', 'no visible character'),
        ('left \ud83d one', 'half of a surrogate pair'),
    ],
)
def test_expression_that_says_nothing_is_refused(text, reason):
    with pytest.raises(ValueError, match=f'the expression .*{reason}'):
        queries_by_image(['left one', text], 2)


def test_texts_that_fit_no_image_are_refused():
    with pytest.raises(ValueError, match='1 lists of expressions for 2 images'):
        queries_by_image([['left one']], 2)
    with pytest.raises(ValueError, match='texts are an expression .* not NoneType'):
        queries_by_image(None, 2)
    with pytest.raises(ValueError, match='not both'):
        queries_by_image(['left one', ['right one']], 2)


@pytest.mark.parametrize(
    ('texts', 'reason'),
    [
        ([None], 'an expression must be text, not NoneType'),
        ([['a', None]], 'an expression must be text, not NoneType'),
        ([1, 2], 'an expression must be text, not int'),
        ([b'a man'], 'an expression must be text, not bytes'),
        (b'a man', 'texts are an expression or a list of them, not bytes'),
    ],
)
def test_what_is_no_text_is_named(texts, reason):
    with pytest.raises(ValueError, match=reason):
        queries_by_image(texts, 1)


def test_expressions_have_bounds():
    assert queries_by_image(['a' * 1000] * 500, 1) == [['a' * 1000] * 500]
    with pytest.raises(ValueError, match='1001 characters, and at most 1000 .*: aaaa'):
        queries_by_image('a' * 1001, 1)
    with pytest.raises(ValueError, match='501 expressions for one image; at most 500'):
        queries_by_image(['one'] * 501, 1)


def test_an_image_can_show_so_many_characters():
    check_drawable([['a' * 1000] * 10, ['b']])
    with pytest.raises(ValueError, match='10001 characters .* --no-save-vis'):
        check_drawable([['a'], ['a' * 1000] * 10 + ['b']])
