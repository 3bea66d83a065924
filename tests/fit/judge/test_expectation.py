import numpy as np
import pytest
from made_rows import LEFT, make_answer

from m2ist_mm.fit.judge.expectation import expected_hits


def expect(answers):
    return expected_hits(answers, [[]] * len(answers))


def test_expectation_follows_words_and_kinds():
    for key, names in (('expression', ('a dog', 'a cat')), ('kind', ('pet', 'toy'))):
        answers = [
            make_answer(n, float(n % 2 == 0)) | {key: names[n % 2]} for n in range(200)
        ]
        likely = expect(answers)
        assert likely[0] > 0.9 and likely[1] < 0.1
        assert np.ptp(likely[::2]) < 1e-9


def test_without_differences_it_is_the_share_of_hits():
    likely = expect([make_answer(n, float(n % 4 == 0)) for n in range(400)])
    assert likely == pytest.approx(0.25, abs=0.01)


def test_sizes_of_boxes_count():
    small = [0, 0, 10, 10]
    answers = [
        make_answer(n, float(n % 2)) | dict(bbox=LEFT if n % 2 else small)
        for n in range(100)
    ]
    likely = expect(answers)
    assert likely[1] > 0.8 > 0.2 > likely[0]


@pytest.mark.parametrize('iou', [0.0, 1.0])
def test_all_alike_and_no_prediction_are_no_error(iou):
    answers = [make_answer(n, iou) | dict(predicted=None) for n in range(5)]
    likely = expect(answers)
    assert np.isfinite(likely).all()
    assert (likely > 0.5).all() == bool(iou)
