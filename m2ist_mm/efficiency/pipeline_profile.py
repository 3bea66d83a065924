"""Where the time of a data pipeline goes."""

from collections import Counter
from collections.abc import Callable, Iterator
from functools import wraps
from time import perf_counter

from mmengine.dataset import Compose


class PipelineProfile:
    """Times each step of a pipeline, from when it is made.

    Of steps that hold others, such as ``RandomApply``, the others are timed.

    Args:
        pipeline: The pipeline; its steps are changed to be timed.
        clock: Gives seconds.

    Attributes:
        seconds: For each step, by number and name, its seconds so far.
        calls: How often each ran.
    """

    def __init__(
        self, pipeline: Compose, clock: Callable[[], float] = perf_counter
    ) -> None:
        self.seconds: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()
        self._clock = clock
        for name, step in _leaves(pipeline):
            self.seconds[name] = self.calls[name] = 0
            step.transform = self._timed(name, step.transform)

    def _timed(self, name: str, transform: Callable) -> Callable:
        @wraps(transform)
        def timed(results: dict) -> dict | None:
            begin = self._clock()
            try:
                return transform(results)
            finally:
                self.seconds[name] += self._clock() - begin
                self.calls[name] += 1

        return timed


def _leaves(step, prefix: str = '') -> Iterator[tuple[str, Callable]]:
    """Steps without steps of their own, named by the way to them."""
    inner = step.transforms
    if not isinstance(inner, list):
        inner = inner.transforms
    for number, child in enumerate(inner, start=1):
        name = f'{prefix}{number} {type(child).__name__}'
        if hasattr(child, 'transforms'):
            yield from _leaves(child, f'{name} / ')
        else:
            yield name, child
