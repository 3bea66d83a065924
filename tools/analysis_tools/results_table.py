"""Print tests' figures as Markdown: results_table.py [NAME=]PATH [[NAME=]PATH ...]."""

import argparse
import math
import statistics
import sys
from pathlib import Path

from comparison.result_files import NUMBER, read_result

METRICS = ('expressions', 'P@0.5', 'P@0.6', 'P@0.7', 'P@0.8', 'P@0.9', 'mIoU')


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Print the figures of one or several tests as Markdown tables: '
        'all figures of each split, and P@0.5 by kind of expression.'
    )
    parser.add_argument(
        'tests',
        nargs='+',
        metavar='[NAME=]PATH',
        help='work dir of tools/test.py (its newest test is taken) or a JSON file '
        'written there; NAME is what the table calls it. Tests of the same NAME, for '
        'instance of trainings with several seeds, become mean and standard deviation',
    )
    return parser.parse_args(argv)


def read_metrics(path: Path) -> dict[str, float]:
    """Read what RECMetric reported of a test.

    Args:
        path (Path): The test's JSON file, or the folder with ``TIME/TIME.json``.

    Returns:
        dict[str, float]: Values by key, such as ``'val/relation/P@0.5'`` (percent)
        and ``'val/expressions'``, without the metric's prefix.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is no JSON or holds no figures of RECMetric.
    """
    if path.is_dir():
        # A folder that a stopped test left behind has no such file.
        found = sorted(file for file in path.glob('*/*.json') if is_test_log(file))
        if not found:
            raise FileNotFoundError(f'{path}: no test was finished here (*/*.json)')
        path = found[-1]
    content = read_result(path)
    figures = {
        key.partition('/')[2]: value
        for key, value in (content.items() if isinstance(content, dict) else ())
        if key.rpartition('/')[2] in METRICS and value is not None
    }
    for key, value in figures.items():
        if not isinstance(value, NUMBER) or not abs(value) < math.inf:
            raise ValueError(f'{path}: {key} is {value!r}, no finite number')
    # a split has both, a kind of expression P@0.5 alone
    splits = [key.removesuffix('mIoU') for key in figures if key.endswith('mIoU')]
    if not any(f'{split}P@0.5' in figures for split in splits):
        raise ValueError(
            f'{path} holds no P@0.5 with its mIoU: is it a test of expressions?'
        )
    return figures


def is_test_log(file: Path) -> bool:
    """Whether MMEngine's logger names its test results so: TIME/TIME.json."""
    return file.stem == file.parent.name


def gather_figures(name: str, runs: list[dict[str, float]]) -> dict[str, list[float]]:
    """Put the figures of several tests of the same data together.

    Args:
        name (str): What the table calls them, for the error.
        runs (list[dict]): What :func:`read_metrics` returns, of each test.

    Returns:
        dict[str, list[float]]: The tests' values by key.

    Raises:
        ValueError: The tests are not of the same expressions.
    """
    keys = dict.fromkeys(key for run in runs for key in run)
    gathered = {key: [run.get(key) for run in runs] for key in keys}
    for key, values in gathered.items():
        counts = key.rpartition('/')[2] == 'expressions'
        if None in values or (counts and len(set(values)) > 1):
            raise ValueError(
                f'{name}: the tests differ in {key} ({values}); give the same name to '
                'tests of the same expressions only'
            )
    return gathered


def split_figures(
    figures: dict[str, list[float]],
) -> dict[str, tuple[dict[str, list[float]], dict[str, list[float]]]]:
    """Sort figures by split.

    A split is what has a mean IoU; a kind of expression has precisions alone.

    Args:
        figures (dict): What :func:`gather_figures` returns.

    Returns:
        dict: For each split a pair: its own figures by metric, and ``P@0.5`` by kind.
        Figures of all splits together, or of the only one, are under ``'all'``.
    """
    splits = {
        key.rpartition('/')[0]: ({}, {})
        for key in figures
        if key.rpartition('/')[2] == 'mIoU'
    }
    for key, value in figures.items():
        owner, _, metric = key.rpartition('/')
        if owner in splits:
            splits[owner][0][metric] = value
            continue
        split, _, kind = owner.rpartition('/')
        if split in splits and metric == 'P@0.5':
            splits[split][1][kind] = value
    return {split or 'all': parts for split, parts in splits.items()}


def format_tables(tests: dict[str, dict[str, list[float]]]) -> str:
    """Markdown of the figures of each test.

    Args:
        tests (dict): Figures of :func:`gather_figures` by the test's name.

    Returns:
        str: One table of splits, and one of kinds where there are any.
    """
    columns = {}
    for name, figures in tests.items():
        splits = split_figures(figures)
        if len(splits) > 1:
            del splits['all']
        columns.update({(name, split): parts for split, parts in splits.items()})
    metrics = [m for m in METRICS if any(m in own for own, _ in columns.values())]
    rows = [['test', 'split', *metrics]]
    for (name, split), (own, _) in columns.items():
        rows.append([name, split, *(format_figure(m, own.get(m)) for m in metrics)])
    tables = [format_rows(rows)]

    kinds = list(dict.fromkeys(kind for _, by in columns.values() for kind in by))
    if kinds:
        rows = [['P@0.5 by kind', '', *kinds]]
        for (name, split), (_, by_kind) in columns.items():
            rows.append(
                [name, split, *(format_figure('P@0.5', by_kind.get(k)) for k in kinds)]
            )
        tables.append(format_rows(rows))
    return '\n\n'.join(tables)


def format_figure(metric: str, values: list[float] | None) -> str:
    """A count, a percentage with one digit, or nothing for what was not tested.

    Of several tests it is the mean and the standard deviation of a sample.
    """
    if values is None:
        return ''
    if metric == 'expressions':
        return f'{values[0]:,.0f}'
    spread = f' ± {statistics.stdev(values):.1f}' if len(values) > 1 else ''
    return f'{statistics.mean(values):.1f}{spread}'


def format_rows(rows: list[list[str]]) -> str:
    """Markdown table of text cells, the first row its head, padded to equal widths."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        '| '
        + ' | '.join(cell.ljust(w) for cell, w in zip(row, widths, strict=True))
        + ' |'
        for row in rows
    ]
    lines.insert(1, '|' + '|'.join('-' * (width + 2) for width in widths) + '|')
    return '\n'.join(lines)


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    runs = {}
    try:
        for item in args.tests:
            name, _, path = item.rpartition('=')
            runs.setdefault(name or path, []).append(read_metrics(Path(path)))
        tests = {name: gather_figures(name, several) for name, several in runs.items()}
    except (OSError, ValueError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    print(format_tables(tests))
    return 0


if __name__ == '__main__':
    sys.exit(main())
