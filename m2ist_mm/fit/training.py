"""A training's folder, from outside: how far it is, and what it has left."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import mean


class Training:
    """Reads what ``tools/train.py`` writes into its work dir.

    Args:
        folder: The work dir.
        epochs: Epochs that the training has.
        validated: Whether it validates after each epoch.
    """

    def __init__(self, folder: Path, epochs: int, validated: bool = True) -> None:
        self.folder = folder
        self.epochs = epochs
        self.validated = validated

    @property
    def done(self) -> bool:
        """Whether the last epoch is saved and, if there is a validation, validated."""
        marks = ['last_checkpoint'] + ['last_validation'] * self.validated
        return all(
            (self.folder / mark).is_file()
            and Path((self.folder / mark).read_text().strip()).name == self._last
            for mark in marks
        )

    @property
    def checkpoint(self) -> Path:
        """The checkpoint that did best on val; the last one without a validation.

        Raises:
            FileNotFoundError: There is none.
        """
        found = sorted(self.folder.glob('best_*.pth'), key=os.path.getmtime)
        path = found[-1] if found else self.folder / self._last
        if not path.is_file():
            raise FileNotFoundError(f'{self.folder} has no checkpoint {path.name}')
        return path

    @property
    def _last(self) -> str:
        return f'epoch_{self.epochs}.pth'

    def rows(self) -> Iterator[dict]:
        """Rows of the log, of all runs of the training in turn."""
        for path in sorted(self.folder.glob('*/vis_data/scalars.json')):
            for line in path.read_text().split('\n'):
                try:
                    yield json.loads(line)
                except ValueError:
                    continue  # the end of a killed run

    def validations(self) -> dict[int, float]:
        """P@0.5 on val, in percent, by epoch."""
        return {
            row['step']: row['rec/P@0.5'] for row in self.rows() if 'rec/P@0.5' in row
        }

    def step_seconds(self) -> float | None:
        """Mean seconds of a step, loading included."""
        times = [row['time'] for row in self.rows() if 'loss' in row and 'time' in row]
        return mean(times) if times else None

    def gpu_peak(self) -> int | None:
        """Most bytes that the GPU's allocator gave out."""
        peaks = [row['memory'] for row in self.rows() if 'memory' in row]
        return max(peaks) * 2**20 if peaks else None

    def seconds(self) -> float:
        """Seconds of all runs of the training together, killed ones included."""
        total = 0.0
        for path in self.folder.glob('*/vis_data/scalars.json'):
            begin = time.mktime(time.strptime(path.parts[-3], '%Y%m%d_%H%M%S'))
            total += max(0.0, path.stat().st_mtime - begin)
        return total
