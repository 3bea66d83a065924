"""Scenes of a split."""

import numpy as np

from .background import draw_background
from .random_source import Random
from .scene import Scene
from .scene_canvas import SceneCanvas
from .shape import Shape
from .split import Split
from .vocabulary import HELD_OUT, SEEN

REFERENTS_PER_IMAGE = 5


def sample_scene(split: Split, size: int, rng: Random) -> tuple[Scene, np.ndarray]:
    """Draw one scene.

    Args:
        split: What the scenes of the split are like.
        size: Side of the image in pixels.
        rng: The only source of chance.

    Returns:
        The scene and its image, (size, size, 3) RGB, uint8.
    """
    fewest, most = split.num_shapes
    while True:
        canvas = SceneCanvas(draw_background(size, split.clutter, rng))
        number = int(rng.integers(fewest, most + 1))
        for kind, color in _sample_combinations(number, split.held_out, rng):
            canvas.place(kind, color, rng)
        shapes = canvas.shapes
        # A scene that came out too empty is drawn again, never padded.
        if len(shapes) >= fewest and (
            not split.held_out or any(map(is_held_out, shapes))
        ):
            return Scene(size, tuple(shapes)), np.round(canvas.image).astype(np.uint8)


def sample_referents(split: Split, scene: Scene, rng: Random) -> list[Shape]:
    """Choose the shapes that get expressions: some of any, or all the held-out ones."""
    if split.held_out:
        return list(filter(is_held_out, scene.shapes))
    chosen = rng.permutation(len(scene.shapes))[:REFERENTS_PER_IMAGE]
    return [scene.shapes[i] for i in chosen]


def is_held_out(shape: Shape) -> bool:
    """Whether train never shows a shape of this kind in this color."""
    return (shape.kind, shape.color) in HELD_OUT


def _sample_combinations(
    number: int, held_out: bool, rng: Random
) -> list[tuple[str, str]]:
    """Draw kinds and colors of the shapes of a scene, many alike in one or the other.

    Without look-alikes a bare attribute would nearly always be enough. With
    ``held_out`` about half are of the held-out combinations.
    """
    chosen = []
    for i in range(number):
        pool = HELD_OUT if held_out and i % 2 == 0 else SEEN
        if chosen:
            kind, color = rng.pick(chosen)
            draw = rng.random()
            if draw < 0.40:
                pool = [c for c in pool if c[0] == kind] or pool
            elif draw < 0.62:
                pool = [c for c in pool if c[1] == color] or pool
            elif draw < 0.72:
                pool = [c for c in pool if c == (kind, color)] or pool
        chosen.append(rng.pick(pool))
    return chosen
