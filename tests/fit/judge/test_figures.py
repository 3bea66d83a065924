import pytest
from made_rows import make_answer

from m2ist_mm.fit.judge.figures import difference, figures


def test_figures_are_percent_with_intervals_around_them():
    answers = [make_answer(n, iou) for n, iou in enumerate([1, 0.5, 0.49, 0.01] * 10)]
    result = figures(answers)
    assert (result['images'], result['expressions']) == (40, 40)
    assert result['P@0.5']['value'] == 50
    # 1.96 * sqrt(0.5 * 0.5 / 40) = 15.5 points
    assert result['P@0.5']['low'] == pytest.approx(50 - 15.5, abs=1.6)
    assert result['P@0.5']['high'] == pytest.approx(50 + 15.5, abs=1.6)
    assert result['mIoU']['value'] == 50


def test_all_right_is_not_certain():
    ten = figures([make_answer(n, 0.9) for n in range(10)])['P@0.5']
    # 0.025 ** (1 / 10)
    assert ten == dict(value=100, low=69.15, high=100)
    none = figures([make_answer(n, 0.1) for n in range(10)])['P@0.5']
    assert none == dict(value=0, low=0, high=30.85)


def test_one_image_says_nothing_about_others():
    result = figures([make_answer(n, iou, 'a.png') for n, iou in enumerate([0.8, 0.2])])
    assert result['P@0.5'] == dict(value=50, low=0, high=100)
    assert result['mIoU'] == dict(value=50, low=0, high=100)


def test_difference_is_paired():
    """Where both agree on all but one image in ten, the interval is narrow."""
    ours = [make_answer(n, 0.9 * (n % 2)) for n in range(100)]
    theirs = [make_answer(n, 0.9 * (n % 2 and n % 10 != 1)) for n in range(100)]
    result = difference(ours, theirs[::-1])
    assert result['expressions'] == 100
    assert result['P@0.5']['value'] == 10
    # 1.96 * sqrt(0.1 * 0.9 / 100) = 5.9; unpaired it would be 13.6
    assert result['P@0.5']['low'] == pytest.approx(10 - 5.9, abs=1.1)
    assert result['mIoU']['value'] == 9


def test_difference_leaves_out_what_one_was_not_asked():
    ours = [make_answer(0, 1.0), make_answer(1, 1.0), make_answer(2, 0.0)]
    theirs = [make_answer(1, 0.0), make_answer(2, 0.0)]
    result = difference(ours, theirs)
    assert result['expressions'] == 2
    assert result['P@0.5']['value'] == 50


def test_difference_on_one_image_may_be_any():
    ours = [make_answer(0, 1.0, 'a.png'), make_answer(1, 1.0, 'a.png')]
    theirs = [make_answer(0, 1.0, 'a.png'), make_answer(1, 0.0, 'a.png')]
    assert difference(ours, theirs)['P@0.5'] == dict(value=50, low=-100, high=100)
