import pytest
from made_rows import LEFT, RIGHT, make_row

from m2ist_mm.evaluation import aligned_iou
from m2ist_mm.fit.judge.audit import rank_suspects


def answer(sent_id, text, bbox, predicted):
    iou = 0.0 if predicted is None else float(aligned_iou([predicted], [bbox])[0])
    return dict(make_row(sent_id, 'a.png', text, bbox), predicted=predicted, iou=iou)


def test_prediction_on_another_label_is_most_suspect():
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
    assert [row['score'] for row in ranked] == pytest.approx([2, 1, 1, 0.4, 0])
    assert [row['why'] for row in ranked] == [
        'the box of “the dog” is predicted',
        'another place is predicted',
        'another place is predicted',
        'agrees with the label',
        'agrees with the label',
    ]
