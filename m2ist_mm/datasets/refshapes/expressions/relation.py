"""Expressions such as "circle left of the red square"."""

import math
from dataclasses import dataclass

import numpy as np

from ..noun import Noun
from ..random_source import Random
from ..scene import Scene
from ..shape import SIDES, Shape
from .expression import Expression

ANCHOR_NOUNS = {
    ('color', 'kind'): 4,
    ('kind',): 2,
    ('color',): 1,
    ('texture', 'kind'): 1,
    ('texture', 'color', 'kind'): 0.5,
}


@dataclass(frozen=True)
class Relation(Expression):
    """The circle left of the red square, closest to it, or between two shapes.

    Attributes:
        anchors: What it is related to; each must name one shape.
    """

    anchors: tuple[Noun, ...] = ()
    kind = 'relation'
    share = 0.20
    templates = {
        'left': ('{} left of the {}', '{} to the left of the {}'),
        'right': ('{} right of the {}', '{} to the right of the {}'),
        'top': ('{} above the {}', '{} higher than the {}'),
        'bottom': ('{} below the {}', '{} under the {}', '{} lower than the {}'),
        'closest': ('{} closest to the {}', '{} nearest to the {}'),
        'between': ('{} between the {} and the {}',),
    }

    @classmethod
    def _propose(
        cls, noun: Noun, scene: Scene, target: Shape, rng: Random
    ) -> 'Relation | None':
        others = [shape for shape in scene.shapes if shape != target]
        first = rng.pick(others)
        if rng.random() < 0.3:
            others.remove(first)
            word, anchors = 'between', (first, rng.pick(others))
        else:
            sides = [s for s in SIDES if is_beside(target, first, s, scene, True)]
            word, anchors = rng.pick(['closest', *sides]), (first,)
        nouns = tuple(Noun.sample(a, scene, ANCHOR_NOUNS, rng) for a in anchors)
        if all(n.is_worth_saying(scene) for n in nouns):
            return cls(noun, word, nouns)
        return None

    def matches(self, scene: Scene, strict: bool) -> list[Shape]:
        """Find the shapes so related; none if an anchor does not name one shape."""
        named = [noun.find(scene, strict=False) for noun in self.anchors]
        if any(len(shapes) != 1 for shapes in named):
            return []
        anchors = [shape for (shape,) in named]
        found = [s for s in self.noun.find(scene, strict) if s not in anchors]
        if self.word == 'closest':
            return find_closest(found, *anchors, scene)
        if self.word == 'between':
            return [s for s in found if is_between(s, *anchors, strict)]
        return [s for s in found if is_beside(s, *anchors, self.word, scene, strict)]

    def _words(self, rng: Random) -> str:
        nouns = [self.noun.say(rng, may_trail=False)]
        nouns += [anchor.say(rng) for anchor in self.anchors]
        return rng.pick(self.templates[self.word]).format(*nouns)


def is_beside(
    shape: Shape, anchor: Shape, side: str, scene: Scene, strict: bool
) -> bool:
    """Whether a shape is to one side ('left', 'top', ...) of another.

    Narrowly: clear of it and within 45 degrees of straight; widely: its center is on
    that side of the other's, or nearly so.
    """
    ahead = anchor.depth(side) - shape.depth(side)
    if not strict:
        return ahead > -4 * scene.unit
    axis, _ = SIDES[side]
    aside = abs(anchor.center[1 - axis] - shape.center[1 - axis])
    return shape.gaps(anchor)[axis] > -2 * scene.unit and aside <= ahead


def find_closest(found: list[Shape], anchor: Shape, scene: Scene) -> list[Shape]:
    """Find the shapes nearest to another, by centers or by gap between the boxes."""
    distances = [math.dist(shape.center, anchor.center) for shape in found]
    gaps = [math.hypot(*(max(0, g) for g in shape.gaps(anchor))) for shape in found]
    return [
        shape
        for shape, distance, gap in zip(found, distances, gaps, strict=True)
        if distance < 1.3 * min(distances) or gap < min(gaps) + 5 * scene.unit
    ]


def is_between(shape: Shape, a: Shape, b: Shape, strict: bool) -> bool:
    """Whether a shape lies near the line from one to another, off its ends."""
    (x, y), (x1, y1), (x2, y2) = shape.center, a.center, b.center
    dx, dy = x2 - x1, y2 - y1
    squared = float(np.hypot(dx, dy)) ** 2
    along = ((x - x1) * dx + (y - y1) * dy) / squared
    aside = abs((x - x1) * dy - (y - y1) * dx) / squared
    if strict:
        return 0.25 <= along <= 0.75 and aside <= 0.2
    return 0 < along < 1 and aside <= 0.45
