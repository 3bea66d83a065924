"""Expressions such as "second square from the left"."""

from dataclasses import dataclass

from ..noun import Noun
from ..random_source import Random
from ..scene import Scene
from ..shape import SIDES, Shape
from .expression import Expression

ORDINALS = ('second', 'third', 'fourth')
_COUNTED = (
    '{ordinal} {noun} from the {word}',
    '{noun} that is {ordinal} from the {word}',
    '{ordinal} {noun} counting from the {word}',
)


@dataclass(frozen=True)
class Order(Expression):
    """The second square from the left: counted by centers."""

    ordinal: str = ORDINALS[0]
    kind = 'order'
    share = 0.15
    templates = dict.fromkeys(SIDES, _COUNTED)

    @classmethod
    def _propose(
        cls, noun: Noun, scene: Scene, target: Shape, rng: Random
    ) -> 'Order | None':
        side = rng.pick(tuple(SIDES))
        depths = [shape.depth(side) for shape in noun.find(scene, strict=True)]
        before = sum(depth < target.depth(side) for depth in depths)
        # The first and the last have plainer names.
        if 0 < before < min(len(depths) - 1, len(ORDINALS) + 1):
            return cls(noun, side, ORDINALS[before - 1])
        return None

    def matches(self, scene: Scene, strict: bool) -> list[Shape]:
        """Find the shape of that rank, and those close to it."""
        found = self.noun.find(scene, strict)
        depths = sorted(shape.depth(self.word) for shape in found)
        before = ORDINALS.index(self.ordinal) + 1
        if before >= len(found):
            return []
        here, margin = depths[before], 7 * scene.unit
        return [s for s in found if abs(s.depth(self.word) - here) < margin]
