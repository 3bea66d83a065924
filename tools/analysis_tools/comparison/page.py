"""Page and plots of compare_methods.py, from its JSON files alone."""

import io
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from m2ist_mm.atomic_file import write_atomically
from m2ist_mm.evaluation.bootstrap import DRAWS

from .intervals import VERDICTS, check_same_expressions, paired_interval, verdict
from .result_files import NUMBER, read_object, read_objects

RUN = dict(
    settings=str,
    method=str,
    seed=int,
    rate=NUMBER | None,
    device=str,
    fingerprint=str,
    dev=list,
    val=dict,
    checkpoint_bytes=int,
)
COST = dict(
    settings=str,
    method=str,
    device=str,
    threads=int,
    features=str,
    trained_parameters=int,
    peak_bytes=NUMBER,
    step_seconds=NUMBER,
    step_ratio=NUMBER,
)
CHOICE = dict(settings=str, rate=NUMBER, dev=NUMBER, images=int, device=str)
BASELINES = ('frozen', 'm2ist', 'full')


def write_page(folder: Path, page: Path, config: str) -> None:
    """Write the page, and its plots beside it.

    Args:
        folder: Folder of the JSON files.
        page: Markdown file to write.
        config: Config that the runs were made from, for the command.

    Raises:
        ValueError: There is no finished run, a file is wrong, or runs are not
            comparable.
    """
    check_page(page)
    runs = read_runs(folder, 'run_*.json', 'method', RUN)
    _check_comparable(folder, runs)
    costs = read_objects(folder, 'cost_*.json', COST, ('method', 'device'))
    # 'frozen' is the unit of time
    if missing := sorted({*runs, 'frozen'} - {cost['method'] for cost in costs}):
        raise ValueError(
            f'{folder} has no cost_*.json of {", ".join(missing)}: make them with '
            '--costs'
        )
    choices = {
        path.stem: read_object(path, CHOICE) for path in folder.glob('choice_*.json')
    }
    _check_settings(folder, runs, costs, choices)
    text = '\n'.join(
        [
            f'# Which method for which budget: {Path(config).stem}',
            '',
            f'`python tools/analysis_tools/compare_methods.py {config} '
            f'--out {folder} --page {page}` makes this page from the JSON files in '
            f'`{folder}`. Without `--page` the command trains (with `--amp` in 16 '
            'bits); with `--costs` instead it measures memory and time.',
            '',
            *_table(runs, costs),
            '',
            *_differences(runs),
            '',
            *_kinds(runs),
            '',
            *_chosen(runs, choices),
            '',
            *_plots(runs, costs, page),
        ]
    )
    write_atomically(page, text.encode())


def check_page(page: Path) -> None:
    """Refuse a page whose name is no Markdown file's; its plot is beside it."""
    if page.suffix != '.md' or page.is_dir():
        raise ValueError(f'--page {page}: name a Markdown file, *.md')


def read_runs(
    folder: Path, pattern: str, key: str, fields: Mapping
) -> dict[str, list[dict]]:
    """Read the JSON files of runs, grouped by one of their values.

    Args:
        folder: Their folder.
        pattern: Of their names.
        key: The value; of each there is one run per seed.
        fields: What they must have, see :func:`.read_object`.

    Raises:
        ValueError: There is none, one is wrong, there are two of the same seed, or they
            were tested on different expressions.
    """
    runs = defaultdict(list)
    for run in read_objects(folder, pattern, fields, (key, 'seed')):
        runs[run[key]].append(run)
    if not runs:
        raise ValueError(f'{folder} has no {pattern}: make them first, without --page')
    check_same_expressions([run for own in runs.values() for run in own])
    return runs


def _check_comparable(folder: Path, runs: dict[str, list[dict]]) -> None:
    """Refuse runs that differ in more than their methods and seeds."""
    all_runs = [run for own in runs.values() for run in own]
    settings = {
        'fingerprints': {run['fingerprint'] for run in all_runs},
        'numbers of epochs': {len(run['dev']) for run in all_runs},
    }
    for method, own in runs.items():
        settings[f'learning rates of {method}'] = {run['rate'] for run in own}
    for name, values in settings.items():
        if len(values) > 1:
            raise ValueError(
                f'{folder}: runs of several {name}, {sorted(values, key=str)}, are not '
                'comparable; make them anew, by one command and version of the code'
            )


def _check_settings(
    folder: Path, runs: dict[str, list[dict]], costs: list[dict], choices: dict
) -> None:
    """Refuse files that were made with different settings."""
    made = [*costs, *choices.values(), *(run for own in runs.values() for run in own)]
    for name, values in (
        ('settings', {one['settings'] for one in made}),
        ('lengths of short runs', {choice['images'] for choice in choices.values()}),
    ):
        if len(values) > 1:
            raise ValueError(
                f'{folder}: has files of several {name}, {sorted(values)}; each needs '
                'a folder of its own'
            )


def _table(runs: dict[str, list[dict]], costs: list[dict]) -> list[str]:
    """Precision beside cost, the most precise method first."""
    devices = _devices(costs)
    head = ['method', 'runs', 'P@0.5 val', 'P@0.5 dev', 'trained', 'checkpoint']
    for device in devices:
        head += [f'peak memory, {device}', f'step, {device}']
    rows = ['| ' + ' | '.join(head) + ' |', '|---' * len(head) + '|']
    for method, own in ranked(runs):
        by_device = _by_device(costs, method)
        trained = next(iter(by_device.values()))['trained_parameters']
        cells = [
            method,
            str(len(own)),
            spread([r['val']['precision'] for r in own]),
            spread([r['dev'][-1] for r in own]),
            f'{trained / 1e6:.2f} M',
            f'{own[0]["checkpoint_bytes"] / 1e6:.1f} MB',
        ]
        for device in devices:
            cost = by_device.get(device)
            cells += (
                [f'{cost["peak_bytes"] / 1e6:.0f} MB', f'{cost["step_ratio"]:.2f}']
                if cost
                else ['–', '–']
            )
        rows.append('| ' + ' | '.join(cells) + ' |')
    frozen = _by_device(costs, 'frozen')
    seconds = ', '.join(
        f'{1000 * cost["step_seconds"]:.0f} ms on {device} (CPU threads: '
        f'{cost["threads"]})'
        for device, cost in frozen.items()
    )
    return [
        *rows,
        '',
        f'P@0.5 in percent after the last epoch, mean ± standard deviation over seeds, '
        f"trained on {_trained_on(runs)}. Peak memory of a step of the runs' batch: "
        'counted on real tensors on a CPU, max_memory_allocated on a GPU. Time of a '
        "step: over that of frozen's, in turns with it, so that frozen's own row shows "
        f'the noise; frozen takes {seconds}. {_cached_on(costs)}',
    ]


def _cached_on(costs: list[dict]) -> str:
    """Where the steps took the features of frozen towers from a cache."""
    where = _devices([cost for cost in costs if cost['features'] == 'cached'])
    others = [device for device in _devices(costs) if device not in where]
    parts = [f'were cached on {" and ".join(where)}'] * bool(where)
    if others:
        parts.append(
            f'were not cached on {" and ".join(others)}, where the towers run in each '
            'step (`--cfg-options default_hooks.feature_cache=None`)'
        )
    return f'Features of frozen towers {", and ".join(parts)}.'


def _trained_on(runs: dict[str, list[dict]]) -> str:
    """The device of most runs, and the runs that were made on others."""
    seeds = defaultdict(lambda: defaultdict(list))  # by device and method
    for method, own in ranked(runs):
        for run in own:
            seeds[run['device']][method].append(str(run['seed']))
    main, *others = sorted(seeds, key=lambda one: -sum(map(len, seeds[one].values())))
    exceptions = [
        f'{method} (seed{"s" * (len(numbers) > 1)} {", ".join(numbers)}) on {device}'
        for device in others
        for method, numbers in seeds[device].items()
    ]
    return main + (f', but {", ".join(exceptions)}' if exceptions else '')


def _devices(costs: list[dict]) -> list[str]:
    return sorted({cost['device'] for cost in costs})


def _by_device(costs: list[dict], method: str) -> dict[str, dict]:
    return {cost['device']: cost for cost in costs if cost['method'] == method}


def _differences(runs: dict[str, list[dict]]) -> list[str]:
    """Differences with their paired 95 % intervals, each pair once."""
    rows = ['| method | minus | difference on val | verdict |', '|---|---|---|---|']
    told = set()  # baselines that have been compared with the others
    for method, own in ranked(runs):
        others = set(runs) - {method}
        if method in BASELINES:
            others -= told
            told.add(method)
        for baseline in [name for name in BASELINES if name in others]:
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
        f'over its seeds. {VERDICTS} What the choice of seeds adds is not in the '
        'intervals: it is the ± of the table above, and unknown where there is one '
        'run.',
    ]


def _kinds(runs: dict[str, list[dict]]) -> list[str]:
    kinds = sorted({kind for own in runs.values() for kind in own[0]['val']['kinds']})
    rows = [f'| P@0.5 val | {" | ".join(kinds)} |', '|---' * (len(kinds) + 1) + '|']
    for method, own in ranked(runs):
        cells = [spread([run['val']['kinds'][kind] for run in own]) for kind in kinds]
        rows.append(f'| {method} | {" | ".join(cells)} |')
    return rows


def _chosen(runs: dict[str, list[dict]], choices: dict[str, dict]) -> list[str]:
    """What each method chose on dev, those without a finished run last."""
    if not choices:
        return []
    made = defaultdict(list)
    for name, choice in sorted(choices.items()):
        made[name.split('_')[1]].append(choice)
    rows = [
        '| method | learning rates tried: P@0.5 dev after a short run | chosen |',
        '|---|---|---|',
    ]
    ranks = [method for method, _ in ranked(runs)]
    for method in [*ranks, *sorted(made.keys() - runs.keys())]:
        if own := made.get(method):
            tried = ', '.join(f'{one["rate"]:g}: {one["dev"]:.1f}' for one in own)
            rate = runs[method][0]['rate'] if method in runs else best_rate(own)
            rows.append(f'| {method} | {tried} | {rate:g} |')
    images = next(iter(choices.values()))['images']
    devices = sorted({choice['device'] for choice in choices.values()})
    untrained = ' Methods that the first table lacks were not trained with it.'
    return [
        *rows,
        '',
        f"Multiples of the head's learning rate, one epoch of {images:,} samples, one "
        f'seed, on {" and ".join(devices)}.' + untrained * bool(made.keys() - runs),
    ]


def best_rate(choices: list[dict]) -> float:
    """The learning rate that did best on dev, the first of equals."""
    return max(choices, key=lambda one: one['dev'])['rate']


def _plots(runs: dict[str, list[dict]], costs: list[dict], page: Path) -> list[str]:
    """Precision over time and over memory, a row per device."""
    import matplotlib

    matplotlib.use('agg')
    from matplotlib import pyplot as plt

    devices = _devices(costs)
    figure, axes = plt.subplots(
        len(devices), 2, figsize=(11, 4.5 * len(devices)), squeeze=False
    )
    for device, (over_time, over_memory) in zip(devices, axes, strict=True):
        for method, own in ranked(runs):
            cost = _by_device(costs, method).get(device)
            if cost is None:
                continue
            dev = np.mean([run['dev'] for run in own], axis=0)
            epochs = np.arange(1, len(dev) + 1)
            over_time.plot(epochs * cost['step_ratio'], dev, marker='o', label=method)
            value = np.mean([run['val']['precision'] for run in own])
            over_memory.plot(cost['peak_bytes'] / 1e6, value, 'o')
            over_memory.annotate(
                method,
                (cost['peak_bytes'] / 1e6, value),
                textcoords='offset points',
                xytext=(5, 3),
            )
        over_time.set(
            xlabel=f'time on {device}, in epochs of the frozen model',
            ylabel='P@0.5 dev, %',
        )
        over_time.legend(fontsize='small')
        over_memory.set(
            xlabel=f'peak memory of a step on {device}, MB', ylabel='P@0.5 val, %'
        )
    figure.tight_layout()
    plt.rcParams['svg.hashsalt'] = 'same ids from the same runs'
    plot = page.with_suffix('.svg')
    content = io.BytesIO()
    figure.savefig(content, format='svg', metadata={'Date': None})
    plt.close(figure)
    write_atomically(plot, content.getvalue())
    return [f'![precision over time and over memory]({plot.name})', '']


def ranked(runs: dict[str, list[dict]]) -> list[tuple[str, list[dict]]]:
    """Runs by method, the most precise method first."""
    return sorted(
        runs.items(),
        key=lambda item: -np.mean([run['val']['precision'] for run in item[1]]),
    )


def spread(values: list[float]) -> str:
    """Mean and standard deviation; of a single value, the value."""
    if len(values) == 1:
        return f'{values[0]:.1f}'
    return f'{np.mean(values):.1f} ± {np.std(values, ddof=1):.1f}'
