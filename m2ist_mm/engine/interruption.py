"""The end of a program by SIGINT or SIGTERM: soon, in order, in one line."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from mmengine.hooks import Hook

# seconds until the program ends in any case
PATIENCE = 10


class Stopped(BaseException):
    """A signal asked the program to end.

    Args:
        signal_number: The signal.
        deadline: Ends the process when it runs out; to be cancelled at the very end.
    """

    def __init__(self, signal_number: int, deadline: threading.Timer) -> None:
        super().__init__(signal.Signals(signal_number).name)
        self.deadline = deadline
        self.exit_code = 128 + signal_number
        self.notes: list[str] = []


class Interruption(Hook):
    """Turns SIGINT and SIGTERM into :class:`Stopped`, after a step that is running.

    As a hook of a runner it knows when one is. A second signal does not wait for the
    step, and after ten seconds the process ends where it is: every file is there whole
    or not at all.
    """

    priority = 'LOWEST'

    def __init__(self) -> None:
        self._in_step = False
        self._asked: int | None = None
        self._process = os.getpid()
        self._deadline: threading.Timer | None = None

    @contextmanager
    def handling(self) -> Iterator[None]:
        """Handle the signals while the context lasts; only the main thread can."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        signals = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self._handle) for number in signals}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._process:
            # a data loader's process, which the parent's end or SIGTERM ends
            if number == signal.SIGTERM:
                os._exit(128 + number)
            return
        again = self._asked is not None
        self._asked = number
        if not again:
            self._deadline = threading.Timer(PATIENCE, self._end, [number])
            self._deadline.daemon = True
            self._deadline.start()
        if again or not self._in_step:
            raise Stopped(number, self._deadline)

    def _end(self, number: int) -> None:
        print(f'stopped by {signal.Signals(number).name}', file=sys.stderr, flush=True)
        os._exit(128 + number)

    def before_train_iter(self, *args, **kwargs) -> None:
        """A step begins."""
        self._in_step = True

    def after_train_iter(self, *args, **kwargs) -> None:
        """A step ends, and the program where it was asked to.

        Raises:
            Stopped: A signal came during the step.
        """
        self._in_step = False
        if self._asked is not None:
            raise Stopped(self._asked, self._deadline)
