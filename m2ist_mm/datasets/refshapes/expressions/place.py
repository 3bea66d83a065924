"""Expressions such as "circle on the left"."""

from ..noun import Noun
from ..random_source import Random
from ..scene import Scene
from ..shape import Shape
from .expression import Expression

_SIDE = (
    '{noun} on the {word}',
    '{noun} on the {word} side',
    '{word} {noun}',
    '{noun} at the {word}',
)
_LEVEL = ('{noun} at the {word}', '{noun} near the {word}', '{word} {noun}')
_CORNER = ('{noun} in the {word} corner', '{word} {noun}', '{noun} at the {word}')


class Place(Expression):
    """The circle on the left: in that part of the image."""

    kind = 'place'
    share = 0.15
    templates = {
        'left': _SIDE,
        'right': _SIDE,
        'top': _LEVEL,
        'bottom': _LEVEL,
        'middle': ('{noun} in the middle', '{noun} in the middle of the image'),
        'top left': _CORNER,
        'top right': _CORNER,
        'bottom left': _CORNER,
        'bottom right': _CORNER,
    }

    @classmethod
    def _propose(
        cls, noun: Noun, scene: Scene, target: Shape, rng: Random
    ) -> 'Place | None':
        fitting = [
            place for place in cls.templates if is_at(target, place, scene, True)
        ]
        return cls(noun, rng.pick(fitting)) if fitting else None

    def matches(self, scene: Scene, strict: bool) -> list[Shape]:
        """Find the shapes at the place."""
        found = self.noun.find(scene, strict)
        return [shape for shape in found if is_at(shape, self.word, scene, strict)]


def is_at(shape: Shape, place: str, scene: Scene, strict: bool) -> bool:
    """Whether the center of a shape lies at a place, such as 'top left'."""
    x, y = (coordinate / scene.size for coordinate in shape.center)
    if place == 'middle':
        return max(abs(x - 0.5), abs(y - 0.5)) < (0.12 if strict else 0.24)
    depth = {'left': x, 'right': 1 - x, 'top': y, 'bottom': 1 - y}
    return all(depth[side] < (0.38 if strict else 0.56) for side in place.split())
