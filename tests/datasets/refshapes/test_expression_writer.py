"""Expressions are judged here by a reader of its own: text and boxes, no generator."""

import math
import re
from collections import Counter

from m2ist_mm.datasets.refshapes.expressions import EXPRESSION_KINDS

SIZE = 160
SIDES = {
    'left': lambda o: o['x'],
    'right': lambda o: -o['x'],
    'top': lambda o: o['y'],
    'bottom': lambda o: -o['y'],
}
BEST = {
    'leftmost': SIDES['left'],
    'far left': SIDES['left'],
    'rightmost': SIDES['right'],
    'far right': SIDES['right'],
    'highest': SIDES['top'],
    'topmost': SIDES['top'],
    'lowest': SIDES['bottom'],
    'biggest': lambda o: -o['area'],
    'largest': lambda o: -o['area'],
    'smallest': lambda o: o['area'],
    'tiniest': lambda o: o['area'],
}
BESIDE = {
    'left of': 'left',
    'to the left of': 'left',
    'right of': 'right',
    'to the right of': 'right',
    'above': 'top',
    'higher than': 'top',
    'below': 'bottom',
    'under': 'bottom',
    'lower than': 'bottom',
}
NOUN_WORDS = {
    *'circle square triangle star cross ring'.split(),
    *'red green blue yellow purple orange pink white'.split(),
    *'plain striped dotted'.split(),
}


def having(noun, scene):
    """Objects of a scene that a noun phrase describes."""
    noun = noun.replace('with stripes', 'striped').replace('with dots', 'dotted')
    found = list(scene)
    for word in noun.replace('that is', '').split():
        if word in ('small', 'little'):
            found = [o for o in found if o['side'] <= 24]
        elif word in ('big', 'large'):
            found = [o for o in found if o['side'] >= 34]
        elif word in NOUN_WORDS:
            found = [o for o in found if word in o['words']]
        else:
            assert word in ('thing', 'object', 'shape', 'one'), noun
    return found


def ranked(noun, scene, key):
    return sorted(having(noun, scene), key=key)


def understand(kind, text, scene):
    """Objects that an expression means, all margins left out."""
    text = text.removeprefix('the ')
    if kind == 'attribute':
        return having(text, scene)
    if kind == 'order':
        rank = ['first', 'second', 'third', 'fourth'].index(
            re.search(r'second|third|fourth', text)[0]
        )
        noun, side = re.fullmatch(
            r'(?:second |third |fourth )?(.+?)'
            r'(?: that is \w+| counting)? from the (\w+)',
            text,
        ).groups()
        return ranked(noun, scene, SIDES[side])[rank : rank + 1]
    if kind == 'superlative':
        far = re.fullmatch(r'(.+) (?:farthest|nearest) to the (\w+)', text)
        if far:
            return ranked(far[1], scene, SIDES[far[2]])[:1]
        word = next(w for w in BEST if text.startswith(w))
        return ranked(text.removeprefix(word), scene, BEST[word])[:1]
    if kind == 'place':
        if ' in the middle' in text:
            found = having(text.split(' in the middle')[0], scene)
            return [
                o for o in found if max(abs(o[a] - SIZE / 2) for a in 'xy') < SIZE * 0.2
            ]
        where = r'((?:top |bottom )?(?:left|right)|top|bottom)'
        after = rf'(.+) (?:on|in|at|near) the {where}(?: side| corner)?'
        m = re.fullmatch(after, text)
        noun, place = (
            m.groups() if m else re.match(rf'{where} (.+)', text).groups()[::-1]
        )
        middle = dict(x=SIZE / 2, y=SIZE / 2)
        return [
            o
            for o in having(noun, scene)
            if all(SIDES[w](o) < SIDES[w](middle) for w in place.split())
        ]
    between = re.fullmatch(r'(.+) between the (.+) and the (.+)', text)
    if between:
        noun, *others = between.groups()
        (a,), (b,) = (having(n, scene) for n in others)
        return [o for o in having(noun, scene) if is_between(o, a, b)]
    nearest = re.fullmatch(r'(.+) (?:closest|nearest) to the (.+)', text)
    if nearest:
        (a,) = having(nearest[2], scene)
        near = ranked(nearest[1], scene, lambda o: distance(o, a))
        return [o for o in near if o is not a][:1]
    words = '|'.join(sorted(BESIDE, key=len, reverse=True))
    noun, relation, anchor = re.fullmatch(rf'(.+?) ({words}) the (.+)', text).groups()
    (a,) = having(anchor, scene)
    key = SIDES[BESIDE[relation]]
    return [o for o in having(noun, scene) if key(o) < key(a)]


def distance(a, b):
    return math.hypot(a['x'] - b['x'], a['y'] - b['y'])


def is_between(o, a, b):
    """Inside the circle whose diameter joins the two, and near the diameter."""
    if o is a or o is b:
        return False
    detour = distance(o, a) + distance(o, b)
    return detour < 1.2 * distance(a, b)


def test_every_expression_names_its_referent_alone(objects, refs):
    checked = Counter()
    for ref in refs:
        for s in ref['sentences']:
            found = understand(s['kind'], s['sent'], objects[ref['image_id']])
            assert [o['id'] for o in found] == [ref['ann_id']], (ref, s)
            checked[s['kind']] += 1
    assert min(checked.values()) > 150, checked
    assert len(checked) == 5


def test_orders_and_superlatives_are_needed(objects, refs):
    """Attributes alone name more than one object in those kinds of expression."""
    for ref in refs:
        for s in ref['sentences']:
            if s['kind'] in ('order', 'superlative'):
                words = ' '.join(w for w in s['tokens'] if w in NOUN_WORDS)
                assert len(having(words, objects[ref['image_id']])) > 1, s


def test_no_expression_is_repeated_within_a_scene(refs):
    texts = Counter((r['image_id'], s['sent']) for r in refs for s in r['sentences'])
    assert max(texts.values()) == 1


def test_kinds_of_expression_are_mixed_as_planned(refs):
    kinds = Counter(s['kind'] for ref in refs for s in ref['sentences'])
    assert sum(kind.share for kind in EXPRESSION_KINDS) == 1
    for kind in EXPRESSION_KINDS:
        assert abs(kinds[kind.kind] / kinds.total() - kind.share) < 0.03, kinds
