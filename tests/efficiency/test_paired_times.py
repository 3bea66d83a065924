import pytest

from m2ist_mm.efficiency import PairedTimes


class Machine:
    """A clock, and programs that move it on."""

    def __init__(self):
        self.now = 0.0
        self.order = []

    def clock(self):
        return self.now

    def program(self, name, seconds):
        seconds = iter(seconds)

        def run():
            self.order.append(name)
            self.now += next(seconds)

        return run


def test_ratios_are_medians_over_turns():
    machine = Machine()
    # the first run is not timed; the machine is slow in the second turn
    programs = [
        machine.program('a', [99, 2, 20, 2]),
        machine.program('b', [99, 1, 10, 0.5]),
    ]
    times = PairedTimes(programs, 3, machine.clock)
    assert times.seconds == [[2, 20, 2], [1, 10, 0.5]]
    assert times.medians() == [2, 1]
    assert times.ratios() == [1, 0.5]
    assert machine.order == ['a', 'b', 'a', 'b', 'b', 'a', 'a', 'b']


def test_ratio_is_not_that_of_the_medians():
    machine = Machine()
    programs = [
        machine.program('a', [0, 1, 2, 9]),
        machine.program('b', [0, 3, 2, 1]),
    ]
    times = PairedTimes(programs, 3, machine.clock)
    assert times.medians() == [2, 2]
    assert times.ratios() == pytest.approx([1, 1])
    assert times.seconds[1] == [3, 2, 1]
