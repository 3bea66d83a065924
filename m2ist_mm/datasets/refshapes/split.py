"""What tells the scenes of a split from those of another."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Split:
    """What the scenes of one split are like.

    Attributes:
        name: RefCOCO's name for it.
        num_shapes: Fewest and most shapes of a scene.
        clutter: Specks and lines of the background, as a multiple of the ordinary.
        held_out: Whether referents are of the held-out combinations, and only of
            those; otherwise no shape is.
    """

    name: str
    num_shapes: tuple[int, int] = (4, 8)
    clutter: int = 1
    held_out: bool = False


SPLITS = (
    Split('train'),
    Split('val'),
    Split('testA', num_shapes=(7, 9), clutter=3),
    Split('testB', held_out=True),
)
