"""What became of a case."""

from dataclasses import dataclass
from typing import Any

from forked import Ended

UNCHANGED = 'unchanged'
SENSIBLE = 'sensible'
CLEAR = 'one clear line'
NO_CHECKSUM = 'changed, no checksum'
UNCLEAR = 'unclear line'
TRACEBACK = 'traceback'
HANG = 'hang'
CRASH = 'crash'
WRONG = 'silently wrong'

GOOD = (UNCHANGED, SENSIBLE, CLEAR, NO_CHECKSUM)
BAD = (UNCLEAR, TRACEBACK, HANG, CRASH, WRONG)
# In MMEngine's own classes; see docs/reliability.md.
KNOWN = {('config', UNCLEAR), ('--cfg-options', UNCLEAR)}
MEANING = {
    UNCHANGED: 'taken, and the result is that of the sound input',
    SENSIBLE: 'taken: a sound input of other content',
    CLEAR: 'refused in lines that name file, key or value',
    NO_CHECKSUM: 'taken with other content, in a format that has no checksum',
    UNCLEAR: 'refused in a line that names none of them',
    TRACEBACK: 'a traceback was printed',
    HANG: 'no end within two minutes',
    CRASH: 'ended by a signal, or code from the file ran',
    WRONG: 'taken with another result, or though it must be refused',
}


@dataclass(frozen=True)
class Case:
    """A mutated input.

    Args:
        mutation: What was done to it.
        names: A refusal names one of these.
        accepted: What it means when it is taken with another result than the sound
            input's: SENSIBLE, NO_CHECKSUM or WRONG.
    """

    mutation: str
    names: tuple[str, ...]
    accepted: str = WRONG


def classify(ended: Ended, case: Case, sound: Any) -> str:
    """Say what became of a case.

    Args:
        ended: How its process ended; its result is a pair of the program's exit code
            and what came out, comparable.
        case: The case.
        sound: What came out of the sound input.
    """
    if ended.timed_out:
        return HANG
    if ended.signal:
        return CRASH
    if 'Traceback (most recent call last)' in ended.output or ended.result is None:
        return TRACEBACK
    code, content = ended.result
    if code == 0:
        return UNCHANGED if content == sound else case.accepted
    told = [
        line for line in ended.output.splitlines() if not line.startswith('reading ')
    ]
    first = next((n for n, line in enumerate(told) if 'error: ' in line), 0)
    refusal = '\n'.join(told[first:])
    return CLEAR if any(name in refusal for name in case.names) else UNCLEAR
