"""The error that a faulty dataset raises."""


class DatasetError(ValueError):
    """Faults found in a dataset's files, each naming its file and entry.

    Args:
        faults (str | list[str]): A fault, or several in the order of the file; or
            the text of a traceback that ends with such an error, which is what
            torch rebuilds an exception of a data loader's worker from.
        remedy (str): What to do about them all; the message's last line.

    Attributes:
        remedy (str): As given.
        faults (list[str]): One line each; ``tools/misc/check_dataset.py``
            prints them all, the message only the first five.
    """

    max_shown = 5

    def __init__(self, faults: str | list[str], remedy: str = ''):
        self.remedy = remedy
        if isinstance(faults, str) and faults.startswith('Caught DatasetError '):
            self.faults = [faults.rpartition('DatasetError: ')[2].strip()]
        else:
            several = [faults] if isinstance(faults, str) else faults
            self.faults = [_one_line(fault) for fault in several]
        message = '\n'.join(self.faults[: self.max_shown])
        hidden = len(self.faults) - self.max_shown
        if hidden > 0:
            message += (
                f'\n... and {hidden} more: tools/misc/check_dataset.py lists them all'
            )
        if remedy:
            message += f'\n{remedy}'
        super().__init__(message)

    def __reduce__(self) -> tuple:  # pickle would pass the message
        return type(self), (self.faults, self.remedy)


def _one_line(text: str) -> str:
    """Escape what would break a line or cannot be printed: names may hold anything."""
    return ''.join(
        letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text
    )
