"""Attributes that name shapes."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from .random_source import Random
from .scene import Scene
from .shape import Shape

SIZE_WORDS = {'small': ('small', 'little'), 'big': ('big', 'large')}
TEXTURE_TAILS = {'striped': ' with stripes', 'dotted': ' with dots'}
KINDLESS = ('thing', 'object', 'shape')


@dataclass(frozen=True)
class Noun:
    """Attributes that name shapes, ``size`` 'small' or 'big'; None stands for any."""

    kind: str | None = None
    color: str | None = None
    texture: str | None = None
    size: str | None = None

    @classmethod
    def sample(
        cls,
        shape: Shape,
        scene: Scene,
        weights: Mapping[tuple[str, ...], float],
        rng: Random,
    ) -> 'Noun | None':
        """Draw a noun that is true of a shape.

        Args:
            shape: The shape.
            scene: Its scene.
            weights: Names of attributes, and how often a noun of them is tried.
            rng: The only source of chance.

        Returns:
            The noun, or None if it should name the size and the shape is of none.
        """
        names = rng.pick_weighted(weights)
        values = vars(shape)
        if 'size' in names:
            sizes = [s for s in SIZE_WORDS if shape.is_of_size(s, scene.unit, True)]
            if not sizes:
                return None
            values = dict(values, size=sizes[0])
        return cls(**{name: values[name] for name in names})

    @property
    def named(self) -> set[str]:
        """Names of the attributes that it has."""
        return {name for name, value in vars(self).items() if value}

    def find(self, scene: Scene, strict: bool) -> list[Shape]:
        """Find the shapes that have these attributes.

        Args:
            scene: Where to look.
            strict: Whether to leave out shapes that are doubtfully small or big.
        """
        return [
            shape
            for shape in scene.shapes
            if self.kind in (None, shape.kind)
            and self.color in (None, shape.color)
            and self.texture in (None, shape.texture)
            and (not self.size or shape.is_of_size(self.size, scene.unit, strict))
        ]

    def is_worth_saying(self, scene: Scene) -> bool:
        """Whether 'plain', 'small' or 'big' tells shapes apart; else nobody says it."""
        plain = self.texture == 'plain'
        if not plain and self.size is None:
            return True
        shorter = replace(self, size=None, texture=None if plain else self.texture)
        return len(shorter.find(scene, False)) > len(self.find(scene, False))

    def say(self, rng: Random, may_trail: bool = True) -> str:
        """Put it into words, without article; ``may_trail`` allows 'with dots'."""
        words, tail = [], ''
        if self.size:
            words.append(rng.pick(SIZE_WORDS[self.size]))
        if may_trail and self.texture in TEXTURE_TAILS and rng.random() < 0.5:
            tail = TEXTURE_TAILS[self.texture]
        elif self.texture:
            words.append(self.texture)
        if self.color:
            words.append(self.color)
        words.append(self.kind or rng.pick(KINDLESS))
        return ' '.join(words) + tail
