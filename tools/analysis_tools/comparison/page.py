"""Page and plots of compare_methods.py, from its JSON files alone."""

import json
from collections import defaultdict
from pathlib import Path

import numpy as np

from m2ist_mm.atomic_file import write_atomically
from m2ist_mm.evaluation.bootstrap import DRAWS

from .intervals import paired_interval, verdict

BASELINES = ('frozen', 'full')


def write_page(folder: Path, page: Path, config: str) -> None:
    """Write the page, and its plots beside it.

    Args:
        folder: Folder of the JSON files.
        page: Markdown file to write.
        config: Config that the runs were made from, for the command.

    Raises:
        ValueError: There is no finished run, or runs are not comparable.
    """
    runs = defaultdict(list)
    for path in sorted(folder.glob('run_*.json')):
        run = json.loads(path.read_text())
        runs[run['method']].append(run)
    if not runs:
        raise ValueError(f'{folder} has no run_*.json: make them first, without --page')
    fingerprints = {run['fingerprint'] for own in runs.values() for run in own}
    if len(fingerprints) > 1:
        raise ValueError(
            f'{folder}: runs of several fingerprints, {sorted(fingerprints)}, are not '
            'comparable; make them anew with one version of the code'
        )
    choices = {
        path.stem: json.loads(path.read_text()) for path in folder.glob('choice_*.json')
    }
    text = '\n'.join(
        [
            '# Which method for which budget',
            '',
            f'`python tools/analysis_tools/compare_methods.py {config} '
            f'--out {folder} --page {page}` makes this page from the JSON files in '
            f'`{folder}`; without `--page` it makes these.',
            '',
            *_table(runs),
            '',
            *_differences(runs),
            '',
            *_kinds(runs),
            '',
            *_chosen(runs, choices),
            '',
            *_plots(runs, page),
        ]
    )
    write_atomically(page, text.encode())


def _table(runs: dict[str, list[dict]]) -> list[str]:
    """Precision beside cost, the most precise method first."""
    rows = [
        '| method | runs | P@0.5 val | P@0.5 dev | trained | checkpoint | peak memory '
        '| step, of frozen |',
        '|---|---|---|---|---|---|---|---|',
    ]
    for method, own in _ranked(runs):
        first = own[0]
        rows.append(
            f'| {method} | {len(own)} '
            f'| {_spread([r["val"]["precision"] for r in own])} '
            f'| {_spread([r["dev"][-1] for r in own])} '
            f'| {first["trained_parameters"] / 1e6:.2f} M '
            f'| {first["checkpoint_bytes"] / 1e6:.1f} MB '
            f'| {first["peak_bytes"] / 1e6:.0f} MB '
            f'| {np.median([r["step_ratio"] for r in own]):.2f} |'
        )
    return [
        *rows,
        '',
        'P@0.5 in percent after the last epoch, mean ± standard deviation over seeds; '
        'peak memory is counted on real tensors of the batch; the time of a step is '
        "measured in turns with the frozen model's.",
    ]


def _differences(runs: dict[str, list[dict]]) -> list[str]:
    """Differences with their paired 95 % intervals."""
    rows = ['| method | minus | difference on val | verdict |', '|---|---|---|---|']
    for method, own in _ranked(runs):
        for baseline in BASELINES:
            if baseline in runs and method != baseline:
                mean, low, high = paired_interval(own, runs[baseline])
                rows.append(
                    f'| {method} | {baseline} | {mean:+.1f} ({low:+.1f} … {high:+.1f}) '
                    f'| {verdict(low, high)} |'
                )
    return [
        *rows,
        '',
        f'Points of P@0.5, with 95 % intervals of a bootstrap over images ({DRAWS:,} '
        'draws), paired: both methods answer the same expressions, each by the mean '
        'over its seeds.',
    ]


def _kinds(runs: dict[str, list[dict]]) -> list[str]:
    kinds = sorted({kind for own in runs.values() for kind in own[0]['val']['kinds']})
    rows = [f'| P@0.5 val | {" | ".join(kinds)} |', '|---' * (len(kinds) + 1) + '|']
    for method, own in _ranked(runs):
        cells = [_spread([run['val']['kinds'][kind] for run in own]) for kind in kinds]
        rows.append(f'| {method} | {" | ".join(cells)} |')
    return rows


def _chosen(runs: dict[str, list[dict]], choices: dict[str, dict]) -> list[str]:
    """What each method chose on dev."""
    rows = [
        '| method | learning rates tried: P@0.5 dev after a short run | chosen |',
        '|---|---|---|',
    ]
    for method, own in _ranked(runs):
        tried = [
            f'{choice["rate"]:g}: {choice["dev"]:.1f}'
            for name, choice in sorted(choices.items())
            if name.rpartition('_')[0] == f'choice_{method}'
        ]
        if tried:
            rows.append(f'| {method} | {", ".join(tried)} | {own[0]["rate"]:g} |')
    return [
        *rows,
        '',
        "Multiples of the head's learning rate, one epoch on a third of train, one "
        'seed.',
    ]


def _plots(runs: dict[str, list[dict]], page: Path) -> list[str]:
    """Precision over time and over memory."""
    import matplotlib

    matplotlib.use('agg')
    from matplotlib import pyplot as plt

    figure, (over_time, over_memory) = plt.subplots(1, 2, figsize=(11, 4.5))
    for method, own in _ranked(runs):
        first = own[0]
        ratio = np.median([run['step_ratio'] for run in own])
        epochs = np.arange(1, len(first['dev']) + 1)
        dev = np.mean([run['dev'] for run in own], axis=0)
        over_time.plot(epochs * ratio, dev, marker='o', label=method)
        value = np.mean([run['val']['precision'] for run in own])
        over_memory.plot(first['peak_bytes'] / 1e6, value, 'o')
        over_memory.annotate(
            method,
            (first['peak_bytes'] / 1e6, value),
            textcoords='offset points',
            xytext=(5, 3),
        )
    over_time.set(xlabel='time, in epochs of the frozen model', ylabel='P@0.5 dev, %')
    over_time.legend(fontsize='small')
    over_memory.set(xlabel='peak memory of a step, MB', ylabel='P@0.5 val, %')
    figure.tight_layout()
    plot = page.with_suffix('.svg')
    figure.savefig(plot, metadata={'Date': None})
    plt.close(figure)
    return [f'![precision over time and over memory]({plot.name})', '']


def _ranked(runs: dict[str, list[dict]]) -> list[tuple[str, list[dict]]]:
    return sorted(
        runs.items(),
        key=lambda item: -np.mean([run['val']['precision'] for run in item[1]]),
    )


def _spread(values: list[float]) -> str:
    if len(values) == 1:
        return f'{values[0]:.1f}'
    return f'{np.mean(values):.1f} ± {np.std(values, ddof=1):.1f}'
