"""Draw the curves of losses and metrics of one or more trainings."""

import argparse
import io
import json
import math
import statistics
import sys
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from m2ist_mm.atomic_file import write_atomically
from m2ist_mm.engine.program import run_program

# step -> value
Curve = dict[int, float]


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Draw the curves of losses and metrics of one or more trainings, '
        'and print the last, the best and the median value of each.'
    )
    parser.add_argument(
        'logs',
        nargs='+',
        metavar='LOG',
        help='work dir of a training, or a JSON log from its vis_data folder',
    )
    parser.add_argument(
        '--keys',
        nargs='+',
        metavar='KEY',
        help='what to draw, for instance loss rec/P@0.5; unless given, the losses and '
        'the overall precision at IoU 0.5',
    )
    parser.add_argument(
        '--out',
        metavar='FILE.png',
        help='the image; curves.png beside the first log unless given',
    )
    return parser.parse_args()


def read_log(path: Path) -> dict[str, Curve]:
    """Read the curves of a training.

    Args:
        path: A file of JSON lines as MMEngine writes them, or a work dir, whose logs
            are joined; where a resumed training did iterations again, the later count.

    Returns:
        For each key its curve. The steps of training values are iterations, those of
        validation values are epochs (iterations, in iteration-based training).

    Raises:
        FileNotFoundError: There is no log.
        ValueError: A line is not a JSON object, or there is no value in the log.
    """
    if path.is_dir():
        files = sorted(path.glob('*/vis_data/scalars.json'))
    else:
        files = [path] if path.is_file() else []
    if not files:
        raise FileNotFoundError(f'{path}: no JSON log there (vis_data/scalars.json)')
    curves: dict[str, Curve] = {}
    for file in files:
        for number, line in enumerate(file.read_text().splitlines(), start=1):
            try:
                values = dict(json.loads(line))
                step = int(values.get('iter', values['step']))
            except (ValueError, KeyError, TypeError) as error:
                raise ValueError(
                    f'{file}, line {number} is not a line of a JSON log of MMEngine; '
                    'use vis_data/scalars.json'
                ) from error
            for key, value in values.items():
                if key not in ('step', 'iter') and isinstance(value, (int, float)):
                    curves.setdefault(key, {})[step] = value
    if not curves:
        raise ValueError(f'{path}: the log is empty, no value was logged yet')
    return curves


def choose_keys(logs: dict[str, dict[str, Curve]], wanted: list[str] | None):
    """Check the wanted keys, or choose losses and the overall precision.

    Raises:
        ValueError: A wanted key is in none of the logs.
    """
    known = sorted({key for curves in logs.values() for key in curves})
    if wanted is None:
        chosen = [key for key in known if 'loss' in key or key == 'rec/P@0.5']
        return chosen or known
    for key in wanted:
        if key not in known:
            raise ValueError(f'no {key!r} in the logs; there are {", ".join(known)}')
    return wanted


def draw(logs: dict[str, dict[str, Curve]], keys: list[str]) -> bytes:
    """Draw one panel a key with one line a log; gives the PNG file's content."""
    columns = min(len(keys), 2)
    rows = math.ceil(len(keys) / columns)
    figure = Figure(figsize=(6 * columns, 3.5 * rows))
    axes = figure.subplots(rows, columns, squeeze=False)
    for axis, key in zip(axes.flat, keys, strict=False):
        for label, curves in logs.items():
            points = sorted(curves.get(key, {}).items())
            if points:
                _plot(axis, points, label)
        axis.set_title(key)
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        left, right = axis.get_xlim()
        if right - left < 1:  # one step alone
            axis.set_xlim(left - 1, right + 1)
        axis.set_xlabel('epoch or iteration' if '/' in key else 'iteration')
        axis.grid(alpha=0.3)
        if len(logs) > 1:
            axis.legend(fontsize='small')
    for axis in axes.flat[len(keys) :]:
        axis.remove()
    figure.tight_layout()
    content = io.BytesIO()
    figure.savefig(content, dpi=100, format='png')
    return content.getvalue()


def _plot(axis: Axes, points: list[tuple[int, float]], label: str) -> None:
    """Draw a curve; one value alone, of which a line would show nothing, in figures."""
    (line,) = axis.plot(*zip(*points, strict=True), '.-', markersize=4, label=label)
    if len(points) == 1:
        line.set(marker='o', markersize=8)
        axis.annotate(
            f'{points[0][1]:.4g}',
            points[0],
            (8, 4),
            textcoords='offset points',
            color=line.get_color(),
            fontsize='large',
        )


def main() -> None:
    """Read the logs, print a table and write the image."""
    args = parse_args()
    logs = {path: read_log(Path(path)) for path in args.logs}
    keys = choose_keys(logs, args.keys)
    for path, curves in logs.items():
        print(path)
        for key in keys:
            if key in curves:
                curve = curves[key]
                least_is_best = 'loss' in key or 'time' in key or 'memory' in key
                best = (min if least_is_best else max)(curve.values())
                print(
                    f'  {key:20} last {curve[max(curve)]:10.4g}  best {best:10.4g}'
                    f'  median {statistics.median(curve.values()):10.4g}'
                )
    first = Path(args.logs[0])
    out = Path(args.out or (first if first.is_dir() else first.parent) / 'curves.png')
    if out.suffix != '.png':
        raise ValueError(f'--out {out}: the image is a PNG, call it *.png')
    write_atomically(out, draw(logs, keys))
    print(f'curves: {out}')


if __name__ == '__main__':
    sys.exit(run_program(main))
