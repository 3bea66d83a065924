from collections import Counter

import pytest
from made_rows import LEFT, RIGHT, make_row

from m2ist_mm.evaluation import aligned_iou
from m2ist_mm.fit.judge.faults import plant_faults, recall

ROWS = [
    make_row(2 * image + n, f'{image}.png', f'{text} {image}', box)
    for image in range(100)
    for n, (text, box) in enumerate((('dog', LEFT), ('cat', RIGHT)))
]


def test_half_of_the_faults_are_boxes_and_half_sentences():
    spoilt, planted = plant_faults(ROWS, 0.06, seed=3)
    assert Counter(planted.values()) == dict(box=6, sentence=6)
    texts = Counter(row['expression'] for row in spoilt)
    assert texts == Counter(row['expression'] for row in ROWS)  # swapped
    for old, new in zip(ROWS, spoilt, strict=True):
        fault = planted.get(old['sent_id'])
        changed = {key for key in old if old[key] != new[key]}
        assert (
            changed == {None: set(), 'box': {'bbox'}, 'sentence': {'expression'}}[fault]
        )
        if fault == 'box':
            assert new['bbox'] in (LEFT, RIGHT)
            assert aligned_iou([old['bbox']], [new['bbox']])[0] < 0.5
        if fault == 'sentence':
            assert old['expression'].split()[1] != new['expression'].split()[1]


def test_seed_repeats_and_rows_stay():
    spoilt, planted = plant_faults(ROWS, seed=1)
    assert (spoilt, planted) == plant_faults(ROWS, seed=1)
    assert planted != plant_faults(ROWS, seed=2)[1]
    assert ROWS[0]['bbox'] == LEFT


def test_too_few_rows_are_refused():
    with pytest.raises(ValueError, match='10 rows, 10 of them .* too few to spoil 5%'):
        plant_faults(ROWS[:10])
    single = [row | dict(image=f'{n}.png') for n, row in enumerate(ROWS)]
    with pytest.raises(ValueError, match='200 rows, 0 of them'):
        plant_faults(single)


def test_recall_counts_the_listed_faults():
    planted = {3: 'box', 15: 'box', 1: 'sentence', 7: 'sentence'}
    result = recall([3, 8, 7], planted)
    assert result == dict(
        planted=4,
        found=2,
        recall=50.0,
        box=dict(planted=2, found=1, recall=50.0),
        sentence=dict(planted=2, found=1, recall=50.0),
    )
