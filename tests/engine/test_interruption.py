import multiprocessing
import os
import signal
import time

import pytest

from m2ist_mm.engine import interruption
from m2ist_mm.engine.interruption import Interruption
from m2ist_mm.engine.program import run_program


def never_end_a_step(began):
    def main():
        hook = Interruption()
        with hook.handling():
            hook.before_train_iter()
            began.set()
            while True:
                time.sleep(60)

    os._exit(run_program(main))


@pytest.mark.slow
@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_step_that_does_not_end_is_ended_after_the_deadline(
    number, monkeypatch, capfd
):
    assert interruption.PATIENCE == 10  # seconds, as promised
    monkeypatch.setattr(interruption, 'PATIENCE', 1)
    context = multiprocessing.get_context('fork')
    began = context.Event()
    process = context.Process(target=never_end_a_step, args=[began])
    process.start()
    assert began.wait(30)
    start = time.monotonic()
    os.kill(process.pid, number)
    process.join(30)
    assert 1 <= time.monotonic() - start < 20
    assert process.exitcode == 128 + number
    assert capfd.readouterr().err == f'stopped by {number.name}\n'
