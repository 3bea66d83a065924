"""Choice of the expressions of a split."""

from collections import Counter

from .expressions import EXPRESSION_KINDS
from .random_source import Random
from .scene import Scene
from .shape import Shape


class ExpressionWriter:
    """Writes expressions of all kinds, in shares that approach the planned ones.

    Args:
        limit (int): Most expressions per referent.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._counts = Counter()

    def write(
        self, scene: Scene, referents: list[Shape], rng: Random
    ) -> dict[Shape, list[tuple[str, str]]]:
        """Write the expressions of a scene, none of them twice.

        Args:
            scene: The scene.
            referents: Those of its shapes that get expressions.
            rng: The only source of chance.

        Returns:
            Kind and text of the expressions per referent, at most ``limit`` and at
            most two of a kind.
        """
        used = set()
        return {
            shape: self._write_for(shape, scene, used, rng)
            for shape in scene.shapes
            if shape in referents
        }

    def _write_for(
        self, target: Shape, scene: Scene, used: set, rng: Random
    ) -> list[tuple[str, str]]:
        written = []
        room = dict.fromkeys(EXPRESSION_KINDS, 2)
        while len(written) < self.limit and room:
            total = self._counts.total() + 1
            missing = {k: k.share * total - self._counts[k] for k in room}
            kind = max(missing, key=missing.get)
            expression = kind.find(scene, target, used, rng)
            room[kind] -= 1
            if expression is None or room[kind] == 0:
                del room[kind]
            if expression is not None:
                written.append((kind.kind, expression.say(rng)))
                self._counts[kind] += 1
                used.add(expression)
        return written

    def describe_mix(self) -> str:
        """Say in one line how many expressions there are, and how many of each kind."""
        total = self._counts.total()
        shares = (
            f'{kind.kind} {100 * self._counts[kind] / max(total, 1):.1f} %'
            for kind in EXPRESSION_KINDS
        )
        return f'{total} expressions: {", ".join(shares)}'
