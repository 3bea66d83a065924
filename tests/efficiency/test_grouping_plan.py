import pytest

from m2ist_mm.efficiency import plan_groups, vision_share

GROUPS = [('a.jpg', 2), ('a.jpg', 2), ('b.jpg', 2), ('b.jpg', 1), ('c.jpg', 1)]


def test_groups_are_counted():
    plan = plan_groups(GROUPS, 2)
    assert (plan.images, plan.expressions, plan.groups) == (3, 8, 5)
    assert plan.expressions_per_group == 1.6
    assert plan.images_per_batch(64) == 40
    assert plan.saved_vision_runs == 3 / 8


def test_groups_of_one_save_nothing():
    plan = plan_groups([('a.jpg', 1)] * 8, 1)
    assert plan.saved_vision_runs == 0
    assert plan.relative_cost(0.8) == 1


def test_cost_follows_the_share():
    plan = plan_groups(GROUPS, 2)
    assert plan.relative_cost(0.8) == pytest.approx(0.8 / 1.6 + 0.2)
    assert plan.relative_cost(0) == 1


def test_share_is_found_from_two_times():
    # 6 s per image and 2 s per expression
    assert vision_share(8, 6 / 4 + 2, 4) == pytest.approx(0.75)
    assert vision_share(8, 8.1, 4) == 0


def test_nothing_cannot_be_grouped():
    with pytest.raises(ValueError, match='no expressions'):
        plan_groups([], 2)
