import pytest
from made_rows import LEFT, make_row

from m2ist_mm.fit.judge.subsets import fold_rows, subset_rows

# image n has n + 1 rows
ROWS = [
    make_row(10 * image + n, f'{image}.png', 'a dog', LEFT)
    for image in range(7)
    for n in range(image + 1)
]


def images(rows):
    return {row['image'] for row in rows}


def test_subsets_hold_whole_images_and_are_nested():
    quarter, half, all_ = (subset_rows(ROWS, share) for share in (0.25, 0.5, 1))
    assert [len(images(rows)) for rows in (quarter, half, all_)] == [2, 4, 7]
    assert images(quarter) < images(half)
    assert all_ == ROWS
    assert half == [row for row in ROWS if row['image'] in images(half)]


def test_another_seed_takes_other_images():
    assert subset_rows(ROWS, 0.5, seed=1) == subset_rows(ROWS, 0.5, seed=1)
    assert len({frozenset(images(subset_rows(ROWS, 0.5, s))) for s in range(5)}) > 1


def test_choice_does_not_depend_on_the_order_of_rows():
    assert images(subset_rows(ROWS[::-1], 0.5)) == images(subset_rows(ROWS, 0.5))


@pytest.mark.parametrize('share', [0, -0.5, 1.5])
def test_other_shares_are_refused(share):
    with pytest.raises(ValueError, match=f'share={share}'):
        subset_rows(ROWS, share)


def test_folds_divide_the_images():
    folds = fold_rows(ROWS, 3)
    assert sorted(len(images(fold)) for fold in folds) == [2, 2, 3]
    assert sum(map(len, folds)) == len(ROWS)
    assert not images(folds[0]) & images(folds[1])


@pytest.mark.parametrize('count', [1, 8])
def test_folds_need_an_image_each(count):
    with pytest.raises(ValueError, match=f'{count} folds of 7 images'):
        fold_rows(ROWS, count)


# images 1, 3 and 5 look the same
GROUPED = [
    dict(row, group='1.png') if row['image'][0] in '135' else row for row in ROWS
]


@pytest.mark.parametrize('seed', range(5))
def test_images_that_look_the_same_stay_together(seed):
    alike = {'1.png', '3.png', '5.png'}
    folds = fold_rows(GROUPED, 3, seed)
    assert sum(alike <= images(fold) for fold in folds) == 1
    assert sorted(len(images(fold)) for fold in folds) == [2, 2, 3]
    assert sum(map(len, folds)) == len(ROWS)
    half = images(subset_rows(GROUPED, 0.5, seed))
    assert alike <= half or not alike & half
    assert 4 <= len(half) <= 6
    assert images(subset_rows(GROUPED, 0.25, seed)) <= half


def test_folds_need_images_that_look_different():
    with pytest.raises(ValueError, match='6 folds of 5 images that look different'):
        fold_rows(GROUPED, 6)
