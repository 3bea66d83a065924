import pytest
from made_rows import LEFT, RIGHT, make_row

from m2ist_mm.evaluation import aligned_iou
from m2ist_mm.fit.judge import audit
from m2ist_mm.fit.judge.audit import rank_suspects


def answer(sent_id, text, bbox, predicted):
    iou = 0.0 if predicted is None else float(aligned_iou([predicted], [bbox])[0])
    return dict(make_row(sent_id, 'a.png', text, bbox), predicted=predicted, iou=iou)


def test_prediction_on_another_label_is_most_suspect(monkeypatch):
    monkeypatch.setattr(audit, 'expected_hits', lambda answers, others: [0.5] * 5)
    ranked = rank_suspects(
        [
            answer(0, 'the dog', LEFT, LEFT),
            answer(1, 'the cat', RIGHT, LEFT),
            answer(2, 'a tree', RIGHT, [45, 0, 55, 100]),
            answer(3, 'a bush', RIGHT, [60, 0, 100, 60]),
            answer(4, 'a hat', RIGHT, None),
        ]
    )
    assert [row['sent_id'] for row in ranked] == [1, 2, 4, 3, 0]
    # 0.5 * (1 - IoU with the label + half the IoU with another)
    scores = [row['score'] for row in ranked]
    assert scores == pytest.approx([0.75, 0.5, 0.5, 0.2, 0])
    assert [row['why'] for row in ranked] == [
        'the box of “the dog” is predicted',
        'another place is predicted',
        'another place is predicted',
        'agrees with the label',
        'agrees with the label',
    ]


def test_miss_of_what_is_usually_found_is_more_suspect():
    """Dogs are found but for one, cats are not: the dog that is missed comes first."""
    answers = [
        dict(answer(n, 'a dog' if n < 40 else 'a cat', LEFT, RIGHT), image=f'{n}.png')
        for n in range(80)
    ]
    for found in answers[1:40]:
        found.update(predicted=LEFT, iou=1.0)
    ranked = rank_suspects(answers)
    assert ranked[0]['sent_id'] == 0
    assert ranked[0]['score'] > 2 * ranked[1]['score']
