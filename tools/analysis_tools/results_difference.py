"""Say whether one model is better than others on the same expressions."""

import argparse
import sys
from pathlib import Path

from comparison.intervals import paired_interval, summarise, verdict
from comparison.result_files import read_rows
from results_table import format_rows

from m2ist_mm.engine.program import run_program


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Print the difference of models in P@0.5, split by split, with its '
        '95 % interval by a paired bootstrap over images, as a Markdown table. '
        '"Not below": no more than a point below, by the interval. It is of the images '
        'alone: with few seeds, look at how much these differ, too.'
    )
    parser.add_argument(
        'results',
        nargs='+',
        metavar='NAME=FILE',
        help='what tools/test.py --out wrote. Each other NAME is subtracted from the '
        'first; files of the same NAME, for instance of several seeds, count by their '
        'mean',
    )
    return parser.parse_args(argv)


def read_results(path: Path) -> dict[str, dict]:
    """Read the results of a test, as runs of :func:`paired_interval`, by split.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It holds no results of expressions.
    """
    rows = {}
    for row in read_rows(path):
        rows.setdefault(row.get('split', 'all'), []).append(row)
    return {split: dict(val=summarise(own)) for split, own in rows.items()}


def compare(results: list[str]) -> str:
    """The table of differences.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: There is one name alone, or the tests are of other expressions.
    """
    models = {}
    for item in results:
        name, _, path = item.rpartition('=')
        models.setdefault(name, []).append(read_results(Path(path)))
    if len(models) < 2 or '' in models:
        raise ValueError(
            f'give files of two NAMEs or more, as NAME=FILE, not of {list(models)}'
        )
    (name, ours), *others = models.items()
    splits = list(ours[0])
    rows = [[f'{name} minus', 'split', 'P@0.5, points', 'verdict']]
    for other, theirs in others:
        if any(list(run) != splits for run in (*ours, *theirs)):
            raise ValueError('the tests are not of the same splits')
        for split in splits:
            value, low, high = paired_interval(
                [run[split] for run in ours], [run[split] for run in theirs]
            )
            points = f'{value:+.1f} ({low:+.1f} to {high:+.1f})'
            rows.append([other, split, points, verdict(low, high)])
    return format_rows(rows)


def main() -> None:
    print(compare(parse_args().results))


if __name__ == '__main__':
    sys.exit(run_program(main))
