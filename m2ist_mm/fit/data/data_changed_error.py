"""The error of data that changed under what was computed from them."""

from pathlib import Path


class DataChangedError(ValueError):
    """The data are not those that an earlier call read.

    Args:
        differences (list[str]): What differs.
        work_dir (str | Path): Where the earlier call wrote.
    """

    def __init__(self, differences: list[str], work_dir: str | Path) -> None:
        super().__init__(
            f'the data are not those that {work_dir} was started with '
            f'({"; ".join(differences)}); start anew, or in another folder'
        )
