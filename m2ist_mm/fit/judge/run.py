"""Trainings and tests that a report is made of."""

from dataclasses import dataclass
from pathlib import Path

from ...datasets import DatasetError
from ..data.source import SPLITS
from .rows_file import load_rows, save_rows
from .shuffles import SHUFFLES, shuffled_rows
from .subsets import fold_rows, subset_rows

CURVE = (0.25, 0.5)  # shares of the training images; the model itself has them all


@dataclass(frozen=True)
class Run:
    """A training and a test, or a test alone.

    Attributes:
        name: 'model', the fitted model, 'start', 'shuffled_in_image',
            'shuffled_across_images', 'frozen', 'curve_25', 'curve_50', or 'audit_0'
            and so on.
        train: Rows to train on, from the start that the fitted model had and with its
            recipe. None: the fitted model is tested; of 'start', what it started from.
        test: Rows to predict.
        predictions: Where ``tools/test.py --out`` writes their predictions.
        neck: Whether the model has its neck; without, the towers are frozen and nothing
            is added to their outputs.

    A dataset reads ``train`` and ``test`` as ``file_format='rows'`` with
    ``ann_file=str(path.parent / '{split}.jsonl')`` and ``split=path.stem``.
    """

    name: str
    train: Path | None
    test: Path
    predictions: Path
    neck: bool = True


def plan_runs(
    work_dir: str | Path,
    *,
    start: bool = False,
    learning_curve: bool = False,
    compare: bool = False,
    audit: bool = False,
    folds: int = 3,
    seed: int = 0,
) -> list[Run]:
    """Write the rows of all runs that a report needs.

    The same arguments give the same files; runs whose ``predictions`` are there are
    done.

    Args:
        work_dir: Holds ``data/train.jsonl`` and ``data/test.jsonl``, on which is
            judged. All else goes to ``judge/``.
        start: Test the model before its training, too.
        learning_curve: Train on 25 and on 50 % of the training images, too.
        compare: Train with frozen towers alone, without the neck, too.
        audit: Predict each row of all splits by a model trained on the other folds.
        folds: Number of folds, and of trainings, of the audit.
        seed: Of shuffles, subsets and folds.

    Returns:
        The runs, the model's first. Shuffles are left out where no row has another
        sentence.

    Raises:
        DatasetError: A file is missing or faulty.
        ValueError: There are fewer images than folds.
    """
    data, folder = Path(work_dir, 'data'), Path(work_dir, 'judge')
    train, test = data / 'train.jsonl', data / 'test.jsonl'
    rows = load_rows(test)
    runs = [Run('model', None, test, Path(work_dir, 'predictions.json'))]

    def add(name: str, train: Path | None, test: Path, **options: bool) -> None:
        predictions = folder / f'{name}.predictions.json'
        runs.append(Run(name, train, test, predictions, **options))

    def write(name: str, rows: list[dict]) -> Path:
        path = folder / f'{name}.jsonl'
        save_rows(path, rows)
        return path

    if start:
        add('start', None, test)
    for how in SHUFFLES:
        if shuffled := shuffled_rows(rows, how, seed):
            name = f'shuffled_{how}'
            add(name, None, write(name, shuffled))
    if compare:
        add('frozen', train, test, neck=False)
    if learning_curve:
        training = load_rows(train)
        for share in CURVE:
            name = f'curve_{share * 100:.0f}'
            add(name, write(name, subset_rows(training, share, seed)), test)
    if audit:
        parts = fold_rows(audited_rows(work_dir), folds, seed)
        for number, part in enumerate(parts):
            others = [row for other in parts if other is not part for row in other]
            name = f'audit_{number}'
            add(name, write(f'{name}_train', others), write(name, part))
    return runs


def audited_rows(work_dir: str | Path) -> list[dict]:
    """Rows of all splits, with ``split``.

    Raises:
        DatasetError: A file is faulty, or a ``sent_id`` is in several splits.
    """
    folder = Path(work_dir, 'data')
    rows = [
        {**row, 'split': split}
        for split in SPLITS
        if (path := folder / f'{split}.jsonl').exists()
        for row in load_rows(path)
    ]
    if len({row['sent_id'] for row in rows}) < len(rows):
        raise DatasetError(f'{folder}: a sent_id occurs in several splits')
    return rows
