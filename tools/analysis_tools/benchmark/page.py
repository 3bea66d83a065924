"""Write the page of an efficiency report: targets, figures and two charts."""

import argparse
import io
import json
import sys
from pathlib import Path

from matplotlib import colormaps
from matplotlib.figure import Figure

from m2ist_mm.atomic_file import write_atomically
from m2ist_mm.engine.program import run_program
from m2ist_mm.report import markdown_table

# figure, paper's share (None: not published), target share, runs that it needs (the
# measured one last), how it is computed of them
TARGETS = (
    (
        'peak training memory, defaults, no recompute, of the reference',
        0.3961,
        0.25,
        ('default',),
        lambda report, run: run['peak'] / report['reference']['peak'],
    ),
    (
        'the same with every exact saving on',
        None,
        0.10,
        ('lowmem',),
        lambda report, run: run['peak'] / report['reference']['peak'],
    ),
    (
        'step time at one expression per image, of our full fine-tuning',
        0.6346,
        0.40,
        ('full', 'default'),
        lambda report, full, run: time_ratio('training', full, run),
    ),
    (
        'time per expression, grouped by image, text cached, of our full fine-tuning',
        None,
        0.15,
        ('full', 'grouped'),
        lambda report, full, run: time_ratio('training', full, run),
    ),
    (
        "our full fine-tuning step, of the reference's",
        None,
        1.00,
        ('reference', 'full'),
        lambda report, reference, run: time_ratio('training', reference, run),
    ),
    (
        'inference at 8 expressions per image, time per expression, of one by one '
        '(20% = 5 times the expressions a second)',
        None,
        0.20,
        ('default', 'grouped'),
        lambda report, single, run: time_ratio('inference', single, run),
    ),
)


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Write efficiency.md with two charts from a report. Runs named '
        'full, default, grouped and lowmem are held against the targets.'
    )
    parser.add_argument(
        'report', metavar='FILE', help='what efficiency_report.py --json wrote'
    )
    parser.add_argument(
        '--out', required=True, metavar='DIR', help='folder for the page and charts'
    )
    parser.add_argument(
        '--command', required=True, help='the command that the page names as its source'
    )
    return parser.parse_args()


def read_report(path: Path) -> dict:
    """Read a report.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is not a report with times.
    """
    try:
        report = json.loads(path.read_text())
        for run in report['runs']:
            for key in ('name', 'peak', 'saved_by_part', 'training', 'inference'):
                run[key]
        report['reference']['peak']
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f'{path} is no report of efficiency_report.py with times '
            f'({type(error).__name__}: {error})'
        ) from error
    return report


def time_ratio(kind: str, first: dict, second: dict) -> float:
    """Time per expression of the second run as a share of the first one's."""
    # each is the median of ratios of one turn
    return second[kind]['ratio'] / first[kind]['ratio']


def target_rows(report: dict) -> list[list[str]]:
    """Rows of the table of targets; what was not run says so."""
    runs = {run['name']: run for run in report['runs']}
    if 'training' in report['reference']:
        runs['reference'] = report['reference']
    rows = []
    for figure, paper, target, needed, compute in TARGETS:
        row = [figure, '–' if paper is None else f'{paper:.2%}', f'≤ {target:.0%}']
        if all(name in runs for name in needed):
            value = compute(report, *(runs[name] for name in needed))
            row += [f'{value:.1%}', 'met' if value <= target else '**missed**']
        else:
            row += ['not run', '']
        rows.append(row)
    return rows


def figure_rows(report: dict) -> list[list[str]]:
    """Rows of the table of figures, one a run."""
    reference = report['reference']
    rows = [
        [
            'reference: full fine-tuning of TransVG R-50',
            '1',
            f'{reference["tuned_parameters"]:,}',
            f'{reference["saved_per_expression"] / 1e6:.0f}',
            '',
            f'{reference["peak"] / 1e9:.1f}',
            '100.0%',
            *[''] * 4,
        ]
    ]
    for run in report['runs']:
        rows.append(
            [
                f'{run["name"]}: `{run["config"]}`',
                str(run['expressions_per_image']),
                f'{run["tuned_parameters"]:,}',
                f'{run["saved_per_expression"] / 1e6:.1f}',
                f'{run["peak"] / 1e9:.2f}',
                f'{run["saved_and_tuned"] / 1e9:.2f}',
                f'{run["peak"] / reference["peak"]:.1%}',
                f'{sum(run["flops_per_expression"].values()) / 1e9:.1f}',
                f'{run["training"]["per_expression"]:.3f}',
                f'{run["training"]["ratio"]:.1%}',
                f'{run["inference"]["per_expression"]:.3f}',
            ]
        )
    return rows


def make_page(report: dict, command: str) -> str:
    """Return the page's Markdown."""
    runs = report['runs']
    errors = {
        key: max(
            abs(run['check'][key]['extrapolated'] / run['check'][key]['measured'] - 1)
            for run in runs
        )
        for key in ('saved', 'peak')
    }
    sizes = report['sizes']
    targets = markdown_table(
        ['figure', 'paper', 'target', 'measured', ''], target_rows(report)
    )
    figures = markdown_table(
        [
            'run',
            'expressions per image',
            'tuned parameters',
            'saved activations per expression, MB',
            'peak, GB',
            'saved + 16 bytes per tuned parameter, GB',
            'peak of the reference',
            'GFLOP per expression',
            'training, s per expression',
            f'of {runs[0]["name"]}',
            'inference, s per expression',
        ],
        figure_rows(report),
    )
    gpu = ''
    if report['device'] == 'cuda':
        peaks = ', '.join(
            f'{run["name"]} '
            + (
                f'{run["cuda_peak"] / 1e9:.2f} GB'
                if run['cuda_peak']
                else 'did not fit'
            )
            for run in runs
        )
        gpu = f'\nPeak by the GPU allocator, measured at this batch: {peaks}.\n'
    machine = f'{report["device_name"]}, {report["threads"]} threads'
    if report['mixed_precision']:
        machine += ', mixed precision'
    reference = report['reference']
    saved, frozen = (
        f'{reference[key] / 1e6:.0f} MB'
        for key in ('saved_per_expression', 'saved_per_expression_frozen')
    )
    form = ''
    if 'saved_by_its_form' in reference:
        form = f"""- **Reference's step**: our full fine-tuning in the form of TransVG's
  public code (`tools/analysis_tools/benchmark/reference_step.py`). It keeps
  {reference['saved_by_its_form'] / 1e6:.0f} MB per expression, that code {saved}.
  Its step takes {reference['training']['per_expression']:.3f} s per expression.
"""
    return f"""# Efficiency

Written by

    {command}

torch {report['torch']}, {machine}.
Towers are random and inputs are noise of the configs' size, expressions of the
greatest length. GB and MB are 10⁹ and 10⁶ bytes.

## Targets

{targets}

## Figures at a batch of {report['batch_size']} expressions

{figures}
{gpu}
![peak memory and time](efficiency.png)

![saved activations by part](saved_activations.png)

## How it is measured

- **Peak**: parameters, buffers, optimiser state, cached text features and every tensor
  that is alive at the worst moment of a step, gradients included. Counted from each
  tensor's making to its end, in the config's own training step; what a kernel uses
  inside itself is not seen. Real tensors at {sizes[0]} and {sizes[1]} images,
  extrapolated moment by moment; at {sizes[2]} images, which were measured too, the
  largest error of the peak is {errors['peak']:.2%}, of saved activations
  {errors['saved']:.2%}.
- **Saved activations**: what autograd keeps for backward, each storage once, without
  parameters. The reference's {saved} per expression (frozen towers: {frozen}) were
  measured on its implementation, which differs from ours; its
  {reference['peak'] / 1e9:.1f} GB are these and 16 bytes per tuned parameter. The
  column of the same formula compares like with like.
- **Time**: turns in which each config runs once, every second turn in reverse order
  (turns: {report['repetitions']}; images of a training batch:
  {runs[0]['training']['images']}); medians of times and of the turns' ratios. The text
  cache knows the batch's expressions in training (as from the second epoch on), none of
  them in inference, which is of one image.
{form}- **GFLOP**: matrix products and convolutions, forward and backward, two a
  multiplication with its addition.
"""


def draw_bars(report: dict) -> bytes:
    """Draw peak memory and training time of the runs; gives the PNG's content."""
    runs = report['runs']
    figure = Figure(figsize=(8, 1.2 + 0.8 * len(runs)))
    memory, time = figure.subplots(1, 2, sharey=True)
    names = [run['name'] for run in runs]
    reference = report['reference']['peak'] / 1e9
    for axis, values, text, limit, title in (
        (
            memory,
            [run['peak'] / 1e9 for run in runs],
            '{:.1f}',
            reference,
            f'peak at {report["batch_size"]} expressions, GB (line: reference)',
        ),
        (
            time,
            [100 * run['training']['ratio'] for run in runs],
            '{:.0f}',
            100,
            f'training time per expression, % of {names[0]}',
        ),
    ):
        axis.bar_label(axis.barh(names, values), fmt=text, padding=3)
        axis.axvline(limit, color='grey', linestyle='--', linewidth=1)
        axis.set_xlim(0, 1.15 * max(limit, *values))
        axis.set_title(title, fontsize='medium')
    memory.invert_yaxis()
    return png(figure)


def draw_parts(report: dict) -> bytes:
    """Draw saved activations by part, stacked; gives the PNG's content."""
    runs = report['runs']
    parts = dict.fromkeys(part for run in runs for part in run['saved_by_part'])
    figure = Figure(figsize=(8, 2.2 + 0.6 * len(runs)))
    axis = figure.subplots()
    names = [run['name'] for run in runs]
    start = [0.0] * len(runs)
    for number, part in enumerate(parts):
        sizes = [
            run['saved_by_part'].get(part, 0) / run['expressions'] / 1e6 for run in runs
        ]
        axis.barh(
            names, sizes, left=start, label=part, color=colormaps['tab20'](number)
        )
        start = [left + size for left, size in zip(start, sizes, strict=True)]
    axis.set_title('saved activations per expression, MB', fontsize='medium')
    axis.invert_yaxis()
    axis.legend(
        fontsize='small', ncols=4, loc='upper center', bbox_to_anchor=(0.45, -0.15)
    )
    return png(figure)


def png(figure: Figure) -> bytes:
    """Return a figure as the content of a PNG file."""
    content = io.BytesIO()
    figure.savefig(content, dpi=100, format='png', bbox_inches='tight')
    return content.getvalue()


def main() -> None:
    """Read the report and write page and charts."""
    args = parse_args()
    report = read_report(Path(args.report))
    folder = Path(args.out)
    for name, content in (
        ('efficiency.png', draw_bars(report)),
        ('saved_activations.png', draw_parts(report)),
        ('efficiency.md', make_page(report, args.command).encode()),
    ):
        write_atomically(folder / name, content)
    print(folder / 'efficiency.md')


if __name__ == '__main__':
    sys.exit(run_program(main))
