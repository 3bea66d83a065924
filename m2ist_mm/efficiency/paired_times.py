"""Times of several programs that a busy machine cannot favour one of."""

from collections.abc import Callable, Sequence
from statistics import median
from time import perf_counter


class PairedTimes:
    """Runs programs in turns and compares them turn by turn.

    Every second turn goes in reverse order, so that what drifts meets all alike.

    Args:
        programs: What is timed; each returns when its work is done. Each is run once
            before, untimed.
        repetitions: Number of turns.
        clock: Gives seconds.

    Attributes:
        seconds: For each program its seconds in each turn.
    """

    def __init__(
        self,
        programs: Sequence[Callable[[], None]],
        repetitions: int,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        self.seconds: list[list[float]] = [[] for _ in programs]
        for program in programs:
            program()
        for turn in range(repetitions):
            order = range(len(programs))
            for index in order if turn % 2 == 0 else reversed(order):
                begin = clock()
                programs[index]()
                self.seconds[index].append(clock() - begin)

    def medians(self) -> list[float]:
        """Median seconds of each program."""
        return [median(seconds) for seconds in self.seconds]

    def ratios(self) -> list[float]:
        """Median over turns of each program's time by the first one's in that turn."""
        first = self.seconds[0]
        return [
            median(own / other for own, other in zip(seconds, first, strict=True))
            for seconds in self.seconds
        ]
