"""Compare what a training on few images starts from; one JSON file per run.

    python tools/analysis_tools/fit_starts.py DATA_ROOT --start NAME=FILE ...
    python tools/analysis_tools/fit_starts.py DATA_ROOT --page PAGE.md

DATA_ROOT has the dataset of configs/_base_/datasets/flickr30k-part.py. 500 of its 'dev'
images, which the shipped model never saw, are drawn: 360 to train, 40 to choose the
epoch, 100 to judge. tools/fit.py trains on them from scratch, from the shipped model
and from each --start. What is there is not made again, and several of these processes
share the runs. The page comes from the JSON files alone.
"""

import argparse
import json
import re
import statistics
import sys
from contextlib import suppress
from itertools import combinations
from pathlib import Path

import numpy as np
from compare_methods import call
from comparison.intervals import VERDICTS, paired_interval, summarise, verdict
from comparison.page import check_page, ranked, read_runs, spread
from comparison.result_files import NUMBER, read_rows
from filelock import FileLock, Timeout

from m2ist_mm.atomic_file import make_folder, write_atomically
from m2ist_mm.datasets.carved_split import carve_split
from m2ist_mm.datasets.formats.json_text import read_json, read_json_lines
from m2ist_mm.engine.program import positive_int, run_program
from m2ist_mm.fit.training import Training
from m2ist_mm.report import markdown_table

IMAGES = dict(test=100, val=40, train=360)
STARTS = ('shipped', 'scratch')
RUN = dict(
    start=str, seed=int, epochs=int, bits=int, chosen=list, miou=NUMBER, val=dict
)
HEAD = ('start', 'runs', 'P@0.5', 'mIoU', 'P@0.5 before', 'P@0.5 while training')


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    summary, _, rest = __doc__.partition('\n')
    parser = argparse.ArgumentParser(
        description=summary,
        epilog=rest,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('data_root', help='folder with expressions.jsonl and images/')
    parser.add_argument(
        '--start',
        action='append',
        default=[],
        metavar='NAME=FILE',
        help='a checkpoint of the same model to start from, too',
    )
    parser.add_argument('--seeds', type=positive_int, default=3)
    parser.add_argument('--epochs', type=positive_int, default=8)
    parser.add_argument(
        '--out', default='docs/benchmarks/fit-starts', help='folder of the JSON files'
    )
    parser.add_argument('--work-dir', default='work_dirs/fit-starts')
    parser.add_argument(
        '--page',
        metavar='FILE.md',
        help='write this Markdown file from the JSON files, and train nothing',
    )
    return parser.parse_args()


def read_starts(given: list[str]) -> dict[str, str]:
    """Put the starts of the command line behind the built-in ones, by name.

    Raises:
        ValueError: One has no name or no file, or its name is taken.
    """
    starts = {name: name for name in STARTS}
    for start in given:
        name, _, source = start.partition('=')
        if not re.fullmatch(r'[A-Za-z0-9_-]+', name) or not Path(source).is_file():
            raise ValueError(
                f'--start {start}: give NAME=FILE with a checkpoint; a name has '
                'letters, digits, - and _'
            )
        if name in starts:
            raise ValueError(f'--start {start}: there is a {name} already, rename it')
        starts[name] = source
    return starts


def draw(data_root: Path, folder: Path) -> None:
    """Write rows.jsonl with the drawn images, their split in each row.

    Args:
        data_root: Folder of the dataset.
        folder: Where the rows go.
    """
    path = data_root / 'expressions.jsonl'
    rows = read_json_lines(str(path), dict(image=str, split=str))
    try:
        carve_split(rows, 'dev', 'train', images=750, seed=0)
    except ValueError as error:
        raise ValueError(f'{path}: {error}') from error
    names = sorted({row['image'] for row in rows if row['split'] == 'dev'})
    drawn = np.random.default_rng(0).permutation(names).tolist()
    splits = {}
    for split, number in IMAGES.items():
        splits.update(dict.fromkeys(drawn[:number], split))
        del drawn[:number]
    text = ''.join(
        json.dumps({**row, 'split': splits[row['image']]}) + '\n'
        for row in rows
        if row['image'] in splits
    )
    write_atomically(folder / 'rows.jsonl', text.encode())


def make_run(args: argparse.Namespace, start: str, source: str, seed: int) -> dict:
    """Fit once.

    Raises:
        ValueError: tools/fit.py failed.
    """
    folder = Path(args.work_dir, f'{start}-{seed}')
    options = dict(init=source, seed=seed, epochs=args.epochs)
    options['image-root'] = Path(args.data_root, 'images')
    options['work-dir'] = folder
    arguments = [part for name in options for part in (f'--{name}', options[name])]
    call('fit.py', Path(args.work_dir, 'data'), *arguments)
    training = Training(folder / 'train', args.epochs)
    found = read_rows(folder / 'predictions.json')
    controls = {
        control['name']: control['P@0.5']['value']
        for control in read_json(folder / 'report.json')['controls']
    }
    return dict(
        start=start,
        seed=seed,
        epochs=args.epochs,
        chosen=list(training.validations().values()),
        before=controls.get('before this training'),
        val=summarise(found),
        miou=100 * statistics.mean(row['iou'] for row in found),
        bits=16 if read_json(folder / 'plan.json')['mixed_precision'] else 32,
    )


def write_page(folder: Path, page: Path) -> None:
    """Write the page.

    Args:
        folder: Folder of the JSON files.
        page: Markdown file to write.

    Raises:
        ValueError: There is no run.
    """
    check_page(page)
    runs = read_runs(folder, '*.json', 'start', RUN)
    epochs, bits = own_settings(runs)
    table = [
        (
            start,
            str(len(own)),
            spread([run['val']['precision'] for run in own]),
            spread([run['miou'] for run in own]),
            _before(own[0]),
            ' '.join(f'{p:.0f}' for p in np.mean([run['chosen'] for run in own], 0)),
        )
        for start, own in ranked(runs)
    ]
    differences = [
        (f'{ours} - {theirs}', f'{mean:+.1f} ({low:+.1f} … {high:+.1f})', word)
        for (ours, a), (theirs, b) in combinations(ranked(runs), 2)
        for mean, low, high in [paired_interval(a, b)]
        for word in [verdict(low, high)]
    ]
    test, val, train = IMAGES.values()
    text = f"""# What to start from

Written by

    python tools/analysis_tools/fit_starts.py DATA_ROOT --page {page}

from the JSON files in `{folder}`, which the same command makes without `--page`:
`tools/fit.py` on {train} images to train, {val} to choose the epoch and {test} to
judge, {epochs} epochs in {bits} bits. *shipped* starts from the model in `weights/`,
which never saw these images, *scratch* from nothing but the two frozen towers; others
are named by `--start`, as `refshapes=FILE` with a checkpoint of
`configs/m2ist/m2ist_yolox-nano-fine_refshapes.py`, trained on drawn shapes. What is
judged is the mean of the best epoch and the start, unless the {val} images show a loss.

{markdown_table(HEAD, table)}

Percent, mean ± standard deviation over seeds; *before*: the start itself, without
training; the last column is the mean P@0.5 on the {val} images, after each epoch.

{markdown_table(('difference of P@0.5', 'points', 'verdict'), differences)}

95 % intervals of a paired bootstrap over the {test} images; each start answers by the
mean over its seeds. {VERDICTS}
"""
    write_atomically(page, text.encode())


def _before(run: dict) -> str:
    before = run.get('before')
    return '' if before is None else f'{before:.1f}'


def own_settings(runs: dict[str, list[dict]]) -> tuple[int, int]:
    """Epochs and bits of all runs.

    Raises:
        ValueError: They differ.
    """
    found = {
        (run['epochs'], run['bits'], len(run['chosen']))
        for own in runs.values()
        for run in own
    }
    if len(found) > 1:
        raise ValueError(
            f'runs of different (epochs, bits, validations), {sorted(found)}, in a '
            'table; make them anew, by one command'
        )
    return found.pop()[:2]


def main() -> None:
    """Make what is missing, or the page."""
    args = parse_args()
    out = Path(args.out)
    if args.page is not None:
        write_page(out, Path(args.page))
        return
    starts = read_starts(args.start)
    make_folder('--out', out)
    make_folder('--work-dir', args.work_dir)
    draw(Path(args.data_root), Path(args.work_dir, 'data'))
    for seed in range(args.seeds):
        for name, source in starts.items():
            path = out / f'{name}-{seed}.json'
            with (
                suppress(Timeout),
                FileLock(Path(args.work_dir, f'{path.stem}.lock'), timeout=0),
            ):
                if not path.exists():
                    print(f'{path.stem} ...', flush=True)
                    run = make_run(args, name, source, seed)
                    write_atomically(path, (json.dumps(run, indent=1) + '\n').encode())


if __name__ == '__main__':
    sys.exit(run_program(main))
