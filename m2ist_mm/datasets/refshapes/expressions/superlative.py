"""Expressions such as "leftmost circle" and "biggest star"."""

import math

from ..noun import Noun
from ..random_source import Random
from ..scene import Scene
from ..shape import SIDES, Shape
from .expression import Expression


class Superlative(Expression):
    """The leftmost circle, the biggest star."""

    kind = 'superlative'
    share = 0.20
    templates = {
        'left': ('leftmost {noun}', 'far left {noun}', '{noun} farthest to the {word}'),
        'right': (
            'rightmost {noun}',
            'far right {noun}',
            '{noun} farthest to the {word}',
        ),
        'top': ('highest {noun}', 'topmost {noun}', '{noun} nearest to the top'),
        'bottom': ('lowest {noun}', '{noun} nearest to the bottom'),
        'biggest': ('biggest {noun}', 'largest {noun}'),
        'smallest': ('smallest {noun}', 'tiniest {noun}'),
    }

    @classmethod
    def _propose(
        cls, noun: Noun, scene: Scene, target: Shape, rng: Random
    ) -> 'Superlative':
        return cls(noun, rng.pick(tuple(cls.templates)))

    def matches(self, scene: Scene, strict: bool) -> list[Shape]:
        """Find the extreme shape, and those close to it.

        Outermost is by center and by outer edge: where the two disagree, both shapes
        match. Size is the area of the box, with a wider margin across kinds, which
        fill their boxes differently.
        """
        found = self.noun.find(scene, strict)
        if self.word in SIDES:
            axis, _ = SIDES[self.word]
            centers = [s.depth(self.word) for s in found]
            edges = [s.depth(self.word) - s.box[2 + axis] / 2 for s in found]
            readings, margin = [centers, edges], 6 * scene.unit
        else:
            sign = -1 if self.word == 'biggest' else 1
            readings = [[sign * math.log(math.prod(s.box[2:])) for s in found]]
            margin = math.log(1.4 if self.noun.kind else 1.8)
        return [
            shape
            for i, shape in enumerate(found)
            if any(values[i] < min(values) + margin for values in readings)
        ]
