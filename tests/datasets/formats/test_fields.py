"""Values of single entries."""

import pytest

from m2ist_mm.datasets import DatasetError
from m2ist_mm.datasets.formats.fields import choose_text_field


def test_a_field_is_chosen_and_the_others_are_told():
    fields = dict(color=['red'], caption=['a red dog'])
    assert choose_text_field('a.json', fields, None, ['label']) == [
        'caption',
        'color',
        'label',
    ]
    assert choose_text_field('a.json', fields, 'label', ['label']) == [
        'label',
        'color',
        'caption',
    ]


@pytest.mark.parametrize(
    'texts',
    [
        ['true', 'false'],
        ['False', 'no'],
        ['0b7c9e52-6d0e-4f3a-9d0c-5f3b1c2a4d6e', '0B7C9E526D0E4F3A9D0C5F3B1C2A4D6E'],
        ['12', '3.5', '-1'],
        ['2024-05-02 12:00:00'],
        ['a.jpg', 'my photos/a dog.png', 'crop_1.tif'],
        ['https://example.org/a dog'],
    ],
)
def test_what_is_no_sentence_must_be_named(texts):
    fields = dict(what=texts)
    with pytest.raises(DatasetError, match="by text_field; the fields are 'what', 'l'"):
        choose_text_field('a.json', fields, None, ['l'])
    assert choose_text_field('a.json', fields, 'what', ['l']) == ['what', 'l']
    # one sentence among them is enough, and they do not stand beside one
    assert choose_text_field('a.json', dict(what=[*texts, 'dog']), None)[0] == 'what'
    both = choose_text_field('a.json', dict(what=texts, said=['a dog']), None)
    assert both == ['said', 'what']


@pytest.mark.parametrize(
    'text', ['dog', 'No. 5 on the left', 'a dog.', 'bad cafe', 'the left one, e.g. 3']
)
def test_sentences_are_taken(text):
    assert choose_text_field('a.json', dict(what=[text]), None) == ['what']
