"""Base of the kinds of expressions."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from ..noun import Noun
from ..random_source import Random
from ..scene import Scene
from ..shape import Shape


@dataclass(frozen=True)
class Expression(ABC):
    """Meaning of an expression, apart from its words.

    Attributes:
        noun: The attributes that the referent is called by.
        word: What is said of it besides: a key of ``templates``.
        kind: Name of the kind of expression.
        share: Share of this kind among all expressions that the writer steers to.
        nouns: Attributes that a noun names, and how often it is tried.
        templates: Per word, ways to put it.
    """

    noun: Noun
    word: str = ''
    kind: ClassVar[str]
    share: ClassVar[float]
    nouns: ClassVar[Mapping[tuple[str, ...], float]] = {
        (): 1,
        ('kind',): 3,
        ('color',): 1.5,
        ('color', 'kind'): 1.5,
        ('texture',): 0.4,
        ('texture', 'kind'): 0.4,
        ('size',): 0.3,
        ('size', 'kind'): 0.3,
    }
    templates: ClassVar[Mapping[str, Sequence[str]]] = {}

    @classmethod
    def find(
        cls, scene: Scene, target: Shape, used: Collection['Expression'], rng: Random
    ) -> 'Expression | None':
        """Find one, not in ``used``, that names only the target; None if it is hard."""
        for _ in range(40):
            noun = Noun.sample(target, scene, cls.nouns, rng)
            if noun is None or not noun.is_worth_saying(scene):
                continue
            if cls.templates and len(noun.find(scene, strict=True)) < 2:
                continue  # the noun alone would do
            found = cls._propose(noun, scene, target, rng)
            if found and found not in used and found.names_only(scene, target):
                return found
        return None

    @classmethod
    @abstractmethod
    def _propose(
        cls, noun: Noun, scene: Scene, target: Shape, rng: Random
    ) -> 'Expression | None':
        """Draw one that may fit the target, or None; not yet checked."""

    @abstractmethod
    def matches(self, scene: Scene, strict: bool) -> list[Shape]:
        """Find the shapes that it can be taken to mean.

        Args:
            scene: The scene.
            strict: Whether doubtful shapes are left out (a narrow reading of "small",
                "on the left", "above") or let in (a wide one).

        Returns:
            The shapes; in both readings more than one where the lead of the best over
            the next is within the margin.
        """

    def names_only(self, scene: Scene, target: Shape) -> bool:
        """Whether it means the target and nothing else, however it is read."""
        return all(self.matches(scene, s) == [target] for s in (True, False))

    def say(self, rng: Random) -> str:
        """Put it into English words, lower case."""
        words = self._words(rng)
        return f'the {words}' if rng.random() < 0.45 else words

    def _words(self, rng: Random) -> str:
        slots = dict(vars(self), noun=self.noun.say(rng, may_trail=False))
        return rng.pick(self.templates[self.word]).format(**slots)
