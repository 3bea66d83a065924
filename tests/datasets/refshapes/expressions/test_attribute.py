from collections import Counter

from m2ist_mm.datasets.refshapes.expressions.attribute import Attribute
from m2ist_mm.datasets.refshapes.noun import Noun
from m2ist_mm.datasets.refshapes.random_source import Random


def test_words_are_the_noun_s_or_a_clause_or_one():
    rng = Random([0])
    kind = Counter(Attribute(Noun('ring', 'red')).say(rng) for _ in range(400))
    assert set(kind) == {
        'red ring',
        'the red ring',
        'ring that is red',
        'the ring that is red',
    }
    with_article = sum(n for text, n in kind.items() if text.startswith('the '))
    assert 0.35 < with_article / kind.total() < 0.55
    bare = {Attribute(Noun(color='red')).say(rng) for _ in range(50)}
    assert 'red one' in bare and 'red shape' in bare


def test_target_among_look_alikes_is_not_named(make_scene):
    scene = make_scene((10, 10, 20, 20), (50, 50, 20, 20))
    assert not Attribute(Noun('square', 'red')).names_only(scene, scene.shapes[0])
