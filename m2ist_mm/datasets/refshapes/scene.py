"""The shapes of one image."""

from dataclasses import dataclass

from .shape import Shape

BASE_SIZE = 160  # lengths in this package are pixels of an image of this size


@dataclass(frozen=True)
class Scene:
    """The shapes of one square image of ``size`` pixels a side."""

    size: int
    shapes: tuple[Shape, ...]

    @property
    def unit(self) -> float:
        """Pixels of this image per pixel of an image of ``BASE_SIZE``."""
        return self.size / BASE_SIZE
