"""A line of the plan, and what became of it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Fact:
    """One thing that was planned and, where it could be, measured; both with units."""

    name: str
    planned: str
    measured: str = ''
