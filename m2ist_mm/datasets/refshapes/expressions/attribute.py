"""Expressions such as "red circle"."""

from ..noun import Noun
from ..random_source import Random
from ..scene import Scene
from ..shape import Shape
from .expression import Expression


class Attribute(Expression):
    """The red circle: whatever has the attributes."""

    kind = 'attribute'
    share = 0.30
    nouns = {
        ('kind',): 1,
        ('color',): 1.5,
        ('texture',): 1,
        ('color', 'kind'): 3,
        ('texture', 'kind'): 1.5,
        ('texture', 'color'): 1,
        ('size', 'kind'): 1.5,
        ('size', 'color'): 1.5,
        ('texture', 'color', 'kind'): 1,
        ('size', 'color', 'kind'): 1.5,
    }

    @classmethod
    def _propose(cls, noun: Noun, *_: object) -> 'Attribute':
        return cls(noun)

    def matches(self, scene: Scene, strict: bool) -> list[Shape]:
        """Find whatever has the attributes."""
        return self.noun.find(scene, strict)

    def _words(self, rng: Random) -> str:
        noun = self.noun
        if noun.named == {'color', 'kind'} and rng.random() < 0.15:
            return f'{noun.kind} that is {noun.color}'
        if noun.named == {'color'} and rng.random() < 0.25:
            return f'{noun.color} one'
        return noun.say(rng)
