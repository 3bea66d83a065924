"""One object of a scene."""

from dataclasses import dataclass
from functools import cached_property

# Axis and sign of the coordinate that grows with the distance from a side of the image.
SIDES = {'left': (0, 1), 'right': (0, -1), 'top': (1, 1), 'bottom': (1, -1)}


@dataclass(frozen=True)
class Shape:
    """One object of a scene.

    Attributes:
        kind: Such as 'circle'.
        color: Such as 'red'.
        texture: Such as 'striped'.
        box: ``(x, y, w, h)`` in pixels, tight on the visible shape.
    """

    kind: str
    color: str
    texture: str
    box: tuple[int, int, int, int]

    @cached_property
    def center(self) -> tuple[float, float]:
        """Center of the box (x, y) in pixels."""
        x, y, w, h = self.box
        return x + w / 2, y + h / 2

    def depth(self, side: str) -> float:
        """Coordinate of the center, negated for 'right' and 'bottom', in pixels.

        It grows with the distance from that side of the image.
        """
        axis, sign = SIDES[side]
        return sign * self.center[axis]

    def gaps(self, other: 'Shape') -> tuple[float, float]:
        """Horizontal and vertical distance of two boxes in pixels, negative within."""
        return tuple(
            abs(self.center[axis] - other.center[axis])
            - (self.box[2 + axis] + other.box[2 + axis]) / 2
            for axis in (0, 1)
        )

    def is_of_size(self, size: str, unit: float, strict: bool) -> bool:
        """Whether the longer side of the box makes the shape small or big.

        Args:
            size: 'small' (up to 22 or 27 pixels) or 'big' (from 36 or 31).
            unit: ``Scene.unit`` of its scene.
            strict: Whether to take the narrow one of the two limits.
        """
        side = max(self.box[2:])
        if size == 'small':
            return side <= (22 if strict else 27) * unit
        return side >= (36 if strict else 31) * unit
