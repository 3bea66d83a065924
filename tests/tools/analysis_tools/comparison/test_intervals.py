import numpy as np
import pytest
from comparison.intervals import hits, paired_interval, summarise, verdict


def run(found, images=None, kinds=('all',), **changes):
    bits = ''.join('1' if hit else '0' for hit in found)
    counts = images or [1] * len(found)
    val = dict(hits=f'{int("1" + bits, 2):x}', expressions_per_image=counts)
    return dict(val=dict(val, kinds=dict.fromkeys(kinds, 0.0), **changes))


def test_hits_come_back_with_their_leading_zeros():
    found = [False, False, True, False, True, True, False]
    assert hits(run(found)).tolist() == found


def test_difference_is_in_points_and_a_mean_over_seeds():
    ours = [run([1, 1, 0, 0]), run([1, 0, 0, 0])]
    theirs = [run([1, 0, 0, 0])]
    assert paired_interval(ours, theirs)[0] == pytest.approx(12.5)


def test_interval_is_that_of_a_mean_of_independent_images():
    generator = np.random.default_rng(0)
    ours, theirs = generator.random(400) < 0.6, generator.random(400) < 0.5
    mean, low, high = paired_interval([run(ours)], [run(theirs)])
    error = 100 * (ours.astype(int) - theirs).std() / 20
    assert low == pytest.approx(mean - 1.96 * error, abs=0.4)
    assert high == pytest.approx(mean + 1.96 * error, abs=0.4)


def test_expressions_of_an_image_are_drawn_together():
    """Ten images of forty equal answers are ten draws, not four hundred."""
    ours = np.repeat([1, 1, 1, 0, 0, 1, 0, 1, 1, 0], 40)
    theirs = np.zeros(400, int)
    _, low, high = paired_interval([run(ours, [40] * 10)], [run(theirs, [40] * 10)])
    _, alone_low, alone_high = paired_interval([run(ours)], [run(theirs)])
    assert high - low > 4 * (alone_high - alone_low)


def test_methods_that_agree_everywhere_have_an_interval_of_zero():
    same = [run([1, 0, 1])]
    assert paired_interval(same, same) == (0, 0, 0)


def test_other_expressions_are_refused():
    with pytest.raises(ValueError, match='different expressions'):
        paired_interval([run([1, 0], [2])], [run([1, 0], [1, 1])])
    with pytest.raises(ValueError, match='different expressions'):
        paired_interval([run([1, 0])], [run([1, 0], kinds=('people',))])
    a, b, old = run([1, 0], expressions_sha256='a'), run([1, 0]), run([0, 0])
    b['val']['expressions_sha256'] = 'b'
    with pytest.raises(ValueError, match='different expressions'):
        paired_interval([a, old], [b])
    assert paired_interval([a], [a]).value == 0
    assert paired_interval([a], [old]).value == 50  # written before there was a hash


def test_the_hash_is_of_what_identifies_the_expressions():
    def sha256(**changes):
        rows = [
            dict(img_path='images/a.jpg', sent_id=n, text='dog', iou=0.6) | changes
            for n in (1, 0)
        ]
        return summarise(rows)['expressions_sha256']

    assert sha256() == sha256(img_path='elsewhere/a.jpg') == sha256(iou=0.1)
    changes = (dict(img_path='images/b.jpg'), dict(text='cat'), dict(sent_id=7))
    assert len({sha256(), *(sha256(**change) for change in changes)}) == 4


@pytest.mark.parametrize(
    ('low', 'high', 'word'),
    [
        (0.1, 3, 'above'),
        (-0.9, 2, 'not below'),
        (-1.5, 2, 'not decided'),
        (-0.9, -0.1, 'not below'),
        (-4, -0.1, 'below'),
        (-4, -1.1, 'below'),
    ],
)
def test_verdict_says_what_the_interval_shows(low, high, word):
    assert verdict(low, high) == word
