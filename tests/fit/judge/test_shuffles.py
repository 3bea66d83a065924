import pytest
from made_rows import LEFT, RIGHT, make_row

from m2ist_mm.fit.judge.shuffles import shuffled_rows

ROWS = [
    make_row(0, 'a.png', 'the dog', LEFT),
    make_row(1, 'a.png', 'a black dog', [0, 0, 40, 90]),  # the same object
    make_row(2, 'a.png', 'the cat', RIGHT),
    make_row(3, 'b.png', 'a tree', LEFT),
    make_row(4, 'c.png', 'the dog', LEFT),
    make_row(5, 'c.png', 'The Dog', RIGHT),
]


def test_in_image_takes_the_sentence_of_another_object():
    texts = {}
    for seed in range(20):
        for row in shuffled_rows(ROWS, 'in_image', seed):
            texts.setdefault(row['sent_id'], set()).add(row['expression'])
    # b has one object, and c two of the same words
    assert texts == {0: {'the cat'}, 1: {'the cat'}, 2: {'the dog', 'a black dog'}}


def test_across_images_takes_other_words_of_another_image():
    texts = {}
    for seed in range(100):
        for row in shuffled_rows(ROWS, 'across_images', seed):
            texts.setdefault(row['sent_id'], set()).add(row['expression'])
    assert texts[0] == {'a tree', 'The Dog'} - {'The Dog'}
    assert texts[3] == {'the dog', 'a black dog', 'the cat', 'The Dog'}
    assert texts[4] == {'a black dog', 'the cat', 'a tree'}


@pytest.mark.parametrize('how', ['in_image', 'across_images'])
def test_only_sentences_change_and_a_seed_repeats(how):
    shuffled = shuffled_rows(ROWS, how, seed=1)
    by_id = {row['sent_id']: row for row in ROWS}
    for row in shuffled:
        assert row | dict(expression='') == by_id[row['sent_id']] | dict(expression='')
    assert shuffled == shuffled_rows(ROWS, how, seed=1)
    assert [row['sent_id'] for row in shuffled] == sorted(
        r['sent_id'] for r in shuffled
    )
    assert ROWS[0]['expression'] == 'the dog'


def test_one_image_has_no_other():
    assert shuffled_rows(ROWS[:3], 'across_images') == []


def test_unknown_shuffle_is_refused():
    with pytest.raises(ValueError, match='must be one of in_image, across_images'):
        shuffled_rows(ROWS, 'inside')
