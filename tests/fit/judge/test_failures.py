import pytest
from made_rows import LEFT, RIGHT, make_row

from m2ist_mm.evaluation import aligned_iou
from m2ist_mm.fit.judge.failures import explain


def explained(predicted):
    """Reason and detail of one answer about the left object of two."""
    answers = []
    for number, (text, box) in enumerate((('the dog', LEFT), ('the cat', RIGHT))):
        iou = 0.0 if predicted is None else float(aligned_iou([predicted], [box])[0])
        row = make_row(number, 'a.png', text, box)
        answers.append(dict(row, predicted=predicted, iou=iou, truncated=False))
    answer = explain(answers)[0]
    return answer['reason'], answer['detail']


@pytest.mark.parametrize(
    ('predicted', 'expected'),
    [
        ([0, 0, 40, 50], (None, '')),  # an IoU of exactly 0.5 is found
        ([60, 0, 100, 60], ('right object of another sentence', 'labelled “the cat”')),
        ([0, 0, 40, 40], ('near miss', '40% of the label’s area')),
        ([0, 0, 90, 100], ('near miss', '2.2 times as large as the label')),
        ([20, 0, 60, 100], ('near miss', 'about as large as the label, but shifted')),
        ([35, 0, 65, 100], ('wrong place', '')),
        (None, ('no box', 'the model gave no finite box')),
    ],
)
def test_reason_is_seen_by_the_boxes(predicted, expected):
    assert explained(predicted) == expected


def test_boxes_of_other_images_are_no_reason():
    rows = [make_row(0, 'a.png', 'the dog', LEFT), make_row(1, 'b.png', 'cat', RIGHT)]
    answers = [
        dict(row, predicted=RIGHT, iou=iou)
        for row, iou in zip(rows, (0, 1), strict=True)
    ]
    assert explain(answers)[0]['reason'] == 'wrong place'
