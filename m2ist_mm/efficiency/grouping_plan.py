"""What is saved when an image's expressions go through the model together."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class GroupingPlan:
    """Counts of a dataset whose expressions are grouped by image.

    Attributes:
        group_size: Most expressions of a group.
        images: Number of different images.
        expressions: Number of expressions.
        groups: Number of groups: of runs of the vision side in an epoch.
    """

    group_size: int
    images: int
    expressions: int
    groups: int

    @property
    def expressions_per_group(self) -> float:
        """Mean number of expressions that a run of the vision side serves."""
        return self.expressions / self.groups

    @property
    def saved_vision_runs(self) -> float:
        """Share of the vision side's runs that grouping saves."""
        return 1 - self.groups / self.expressions

    def images_per_batch(self, expressions: int) -> float:
        """Mean number of images (groups) in a batch of so many expressions."""
        return expressions / self.expressions_per_group

    def relative_cost(self, vision_share: float) -> float:
        """Time per expression as a share of the ungrouped one.

        ``vision_share`` of the ungrouped time goes by image, the rest by expression:
        ``vision_share / expressions_per_group + 1 - vision_share``.

        Args:
            vision_share: Between 0 and 1, see :func:`vision_share`.
        """
        return vision_share / self.expressions_per_group + 1 - vision_share


def plan_groups(groups: Iterable[tuple[str, int]], group_size: int) -> GroupingPlan:
    """Count groups.

    Args:
        groups: Image and number of expressions of each group.
        group_size: Most expressions of a group.

    Raises:
        ValueError: There are no groups.
    """
    groups = list(groups)
    if not groups:
        raise ValueError('there are no expressions to group')
    return GroupingPlan(
        group_size=group_size,
        images=len({image for image, _ in groups}),
        expressions=sum(number for _, number in groups),
        groups=len(groups),
    )


def vision_share(ungrouped: float, grouped: float, group_size: int) -> float:
    """Share of the ungrouped time that goes by image, from two measured times.

    Args:
        ungrouped: Time per expression where each has an image of its own.
        grouped: Time per expression in groups.
        group_size: Expressions of each of those groups, at least 2.

    Returns:
        Between 0 and 1.
    """
    share = (1 - grouped / ungrouped) / (1 - 1 / group_size)
    return min(max(share, 0.0), 1.0)
