import pytest
from hypothesis import given
from hypothesis import strategies as st

from m2ist_mm.datasets.transforms import has_direction_word, swap_left_right

COMPOUNDS = [
    ('left', 'right'),
    ('leftmost', 'rightmost'),
    ('left-most', 'right-most'),
    ('lefthand side', 'righthand side'),
    ('left-hand', 'right-hand'),
    ('bottomleft', 'bottomright'),
    ('bottom-left', 'bottom-right'),
    ('topleft', 'topright'),
    ('upperleft corner', 'upperright corner'),
    ('lefty', 'righty'),
    ('lefts', 'rights'),
    ('leftside', 'rightside'),
    ('leftish', 'rightish'),
    ('theleft', 'theright'),
    ('leftguy', 'rightguy'),
    ('picleft', 'picright'),
    ('left.', 'right.'),
    ("man on left's hat", "man on right's hat"),
    ('LEFT dog', 'RIGHT dog'),
    ('Left dog', 'Right dog'),
    ('second from left, right of bed', 'second from right, left of bed'),
    ('leftright', 'rightleft'),
    ('tree on rt', 'tree on lt'),
    ('top rt corner, RT side', 'top lt corner, LT side'),
    ('slice at 4 oclock', 'slice at 8 oclock'),
    ("1 o'clock", "11 o'clock"),
    ('2 o clock slice', '10 o clock slice'),
    ('at 9 O’CLOCK', 'at 3 O’CLOCK'),
    ('6 oclock', '6 oclock'),
    ('slice at 12oclock', 'slice at 12oclock'),
]
ORDINARY = [
    'bright',
    'brightest part of sky',
    'Bright',
    'upright',
    'upright piano',
    'cleft',
    'copyright',
    'birthright',
    'bleft',
    'fright',
    'frightened cat',
    'sprightly',
    'outright',
    'downright',
    'forthright',
    'alright',
    'playwright',
    'wheelwright',
    'righteous',
    'leftover pizza',
    'leftovers',
    'typewriter',
    'lt blue shirt',
    'rt. green',
    'art',
    'alt rock shirt',
    '4 clocks',
    '13 oclock',
    '4:30 o clock',
    '4 oclockwork',
    'lift',
    'rig',
    '',
]


@pytest.mark.parametrize(('text', 'mirrored'), COMPOUNDS)
def test_direction_words_and_compounds_are_swapped(text, mirrored):
    assert swap_left_right(text) == mirrored
    assert swap_left_right(mirrored) == text
    assert has_direction_word(text)
    assert has_direction_word(mirrored)


@pytest.mark.parametrize('text', ORDINARY)
def test_ordinary_words_are_left_alone(text):
    assert swap_left_right(text) == text
    assert not has_direction_word(text)


def test_only_the_direction_words_of_an_expression_change():
    text = 'bright upright copyrighted lamp left of the bottomright bed'
    assert (
        swap_left_right(text)
        == 'bright upright copyrighted lamp right of the bottomleft bed'
    )


@pytest.mark.parametrize(
    'text',
    [
        'top',
        'top bunk',
        'topmost',
        'cat on top of car',
        'ontop',
        'Top',
        'bottom',
        'bottommost',
        'the middle one',
        'middlemost',
        'middle-right',
        'bottomleftcorner',
    ],
)
def test_top_bottom_and_middle_are_directions(text):
    assert has_direction_word(text)


@pytest.mark.parametrize(
    'text',
    [
        'laptop',
        'stop sign',
        'pizza topping',
        'countertop',
        'rooftops',
        'topless man',
        'middleman',
        'bottomless cup',
        'center',
    ],
)
def test_words_that_contain_a_direction_are_none(text):
    assert not has_direction_word(text)


PIECES = st.sampled_from(
    [word for word in ORDINARY if word]
    + [text for pair in COMPOUNDS for text in pair]
    + [
        'rt',
        'lt',
        '4 oclock',
        '12',
        'b',
        'f',
        'w',
        'c',
        'up',
        'over',
        'eous',
        'ful',
        'spr',
        ' ',
        '-',
        'dog',
        'RIGHT',
    ]
)


@given(st.lists(PIECES, max_size=8).map(''.join))
def test_swapping_twice_gives_the_text_back(text):
    assert swap_left_right(swap_left_right(text)) == text


@given(st.text(alphabet='leftrighbcwupové LEFTRIGH-', max_size=40))
def test_swapping_any_text_twice_changes_at_most_its_case(text):
    assert swap_left_right(swap_left_right(text)).lower() == text.lower()


@given(st.lists(PIECES, max_size=8).map(''.join))
def test_a_text_that_swapping_changes_has_a_direction_word(text):
    if swap_left_right(text) != text:
        assert has_direction_word(text)
