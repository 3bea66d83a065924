"""Measure memory and speed of training steps on a GPU, and write the page of them.

    python tools/analysis_tools/benchmark/gpu.py --json docs/benchmarks/gpu.json
    python tools/analysis_tools/benchmark/gpu.py --json docs/benchmarks/gpu.json \
        --page docs/benchmarks/gpu.md

Towers are random and inputs are noise of the configs' size. Run it on a GPU that does
nothing else. Figures are written as they come, and those that are there stay.
"""

import argparse
import gc
import json
import statistics
import sys
import time
from functools import partial
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

import m2ist_mm  # noqa: F401  registers everything
from m2ist_mm.atomic_file import write_atomically
from m2ist_mm.config import load_config_file, use_mixed_precision
from m2ist_mm.efficiency import TrainingStep, cuda_peak
from m2ist_mm.engine.program import positive_int, run_program
from m2ist_mm.report import markdown_table

# name: config, expressions per image
RUNS = {
    'R-50 full': ('configs/full_finetune/transvg_r50_refcoco.py', 1),
    'R-50 default': ('configs/m2ist/m2ist_r50_refcoco.py', 1),
    'R-50 grouped': ('configs/m2ist/m2ist_r50_grouped-cached_refcoco.py', 8),
    'R-50 lowmem': ('configs/m2ist/m2ist_r50_lowmem_refcoco.py', 8),
    'ViT-B full': ('configs/full_finetune/transvg_vitb_refcoco.py', 1),
    'ViT-B default': ('configs/m2ist/m2ist_vitb_refcoco.py', 1),
    'ViT-B grouped': ('configs/m2ist/m2ist_vitb_grouped_refcoco.py', 8),
    'ViT-B lowmem': ('configs/m2ist/m2ist_vitb_lowmem_refcoco.py', 8),
}
MODES = ('fp32', 'tf32', 'bf16', 'bf16 compiled')
# of the counted bytes, docs/benchmarks/efficiency.json
COUNTED = {
    'R-50 full': 'full',
    'R-50 default': 'default',
    'R-50 grouped': 'grouped',
    'R-50 lowmem': 'lowmem',
    'ViT-B default': 'vitb',
    'ViT-B lowmem': 'vitb-lowmem',
}
CONTEXT = 0.6  # GB of a budget that CUDA's context takes


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--json', required=True, help='file of the figures')
    parser.add_argument(
        '--page', metavar='FILE', help='write the page, measure nothing'
    )
    parser.add_argument(
        '--runs', nargs='+', choices=RUNS, default=list(RUNS), metavar='NAME',
        help=f'which of {", ".join(RUNS)}; all unless given',
    )  # fmt: skip
    parser.add_argument(
        '--modes', nargs='*', choices=MODES, default=list(MODES), metavar='MODE',
        help=f'which of {", ".join(MODES)}; all unless given',
    )  # fmt: skip
    parser.add_argument(
        '--batch-size', type=positive_int, default=64, help='expressions'
    )
    parser.add_argument(
        '--repetitions', type=positive_int, default=5, help='timed steps'
    )
    parser.add_argument(
        '--budgets', nargs='*', type=float, default=[8, 12, 24], metavar='GB',
        help='memory of the cards whose largest batch is sought, in bf16',
    )  # fmt: skip
    return parser.parse_args()


def load(path: str, mode: str) -> Config:
    config = load_config_file(path)
    torch.backends.cuda.matmul.allow_tf32 = mode == 'tf32'
    torch.backends.cudnn.allow_tf32 = mode == 'tf32'
    if 'bf16' in mode:
        use_mixed_precision(config)
    if 'compiled' in mode:
        config.model.backbone.vision.compile = dict(backend='inductor')
    return config


def measure(path: str, mode: str, per_image: int, args: argparse.Namespace) -> dict:
    """Peak and time of a step of the batch; ``peak=None`` where it does not fit."""
    images, seconds = -(-args.batch_size // per_image), []
    step = TrainingStep(load(path, mode), 'cuda')
    batch = step.inputs.batch(images, per_image)
    try:
        for number in range(args.repetitions + 2):
            if number == 1:  # the first makes what stays
                torch.cuda.reset_peak_memory_stats()
            step.synchronize()
            start = time.perf_counter()
            step.train(batch)
            step.synchronize()
            seconds.append(time.perf_counter() - start)
    except torch.cuda.OutOfMemoryError:
        return dict(peak=None, seconds=None)
    seconds = sorted(seconds[2:])
    median = statistics.median(seconds)
    return dict(
        peak=torch.cuda.max_memory_allocated(),
        seconds=median,
        spread=[seconds[0], seconds[-1]],
        expressions_per_second=images * per_image / median,
    )


def largest_batch(path: str, per_image: int, budget: float) -> int:
    """Most expressions of a step, in bf16, on a card of that many GB."""
    build = partial(TrainingStep, load(path, 'bf16'), 'cuda')
    total = torch.cuda.get_device_properties(0).total_memory
    allowed = (budget - CONTEXT) * 1e9

    def fits(images: int) -> bool:
        torch.cuda.set_per_process_memory_fraction(allowed / total)
        try:
            return cuda_peak(build, images, per_image) is not None
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0)
            free()

    peaks = []
    for images in (2, 4):
        peaks.append(cuda_peak(build, images, per_image))
        free()
    slope = (peaks[1] - peaks[0]) / 2
    images = max(1, int((allowed - peaks[0]) / slope) + 2)
    step = max(1, images // 20)
    if fits(images):
        while fits(images + step):
            images += step
    else:
        while images > 0 and not fits(images):
            images -= step
    return max(images, 0) * per_image


def free() -> None:
    gc.collect()
    torch.cuda.empty_cache()


def measure_all(args: argparse.Namespace) -> None:
    if not torch.cuda.is_available():
        raise ValueError('there is no GPU; bytes are counted on a CPU by benchmark.sh')
    file = Path(args.json)
    report = json.loads(file.read_text()) if file.exists() else {}
    here = dict(
        device=torch.cuda.get_device_name(),
        torch=torch.__version__,
        batch_size=args.batch_size,
        repetitions=args.repetitions,
    )
    if report and report['machine'] != here:
        raise ValueError(f'{file} is of {report["machine"]}, this is {here}: move it')
    report = report or dict(machine=here, steps={}, largest={})
    wanted = [
        ('steps', f'{name}, {mode}', partial(measure, path, mode, per_image, args))
        for mode in args.modes
        for name, (path, per_image) in RUNS.items()
        if name in args.runs and not ('compiled' in mode and 'default' not in name)
    ] + [
        (
            'largest',
            f'{name}, {size:g} GB',
            partial(largest_batch, path, per_image, size),
        )
        for name, (path, per_image) in RUNS.items()
        for size in args.budgets
        if name in args.runs
    ]
    for part, key, program in wanted:
        if key not in report[part]:
            report[part][key] = program()
            free()
            print(key, report[part][key], flush=True)
            write_atomically(file, (json.dumps(report, indent=1) + '\n').encode())


def make_page(report: dict, counted: dict, command: str) -> str:
    """Lay the figures out.

    Args:
        report: What :func:`measure_all` wrote.
        counted: Peaks that were counted on a CPU: docs/benchmarks/efficiency.json.
        command: What wrote the report.

    Returns:
        The page's Markdown.
    """
    machine, steps = report['machine'], report['steps']
    found = [key.rpartition(', ') for key in (*steps, *report['largest'])]
    names = [name for name in RUNS if name in {key[0] for key in found}]
    modes = [mode for mode in MODES if mode in {key[2] for key in found}]
    counts = {run['name']: run['peak'] for run in counted['runs']}
    lines = [
        '# Memory and speed on a GPU',
        '',
        f'Written by `{command}`: {machine["device"]}, torch {machine["torch"]}, a '
        f'batch of {machine["batch_size"]} expressions at 640 x 640 pixels (ViT-B: 448 '
        f'x 448), median of {machine["repetitions"]} steps after two. Towers are '
        'random, inputs are noise. GB are 10⁹ bytes.',
        '',
        '## Peak of a step, GB (max_memory_allocated)',
        '',
        markdown_table(
            ['run', *modes, 'counted on a CPU, fp32', 'difference'],
            (
                [
                    name,
                    *(_peak(steps.get(f'{name}, {mode}')) for mode in modes),
                    *_counted(
                        steps.get(f'{name}, fp32'), counts.get(COUNTED.get(name))
                    ),
                ]
                for name in names
            ),
        ),
        '',
        'Counted bytes are those of [efficiency](efficiency.md); the workspaces of '
        'kernels, which a GPU allocates inside the step, are not in them.',
        '',
        '## Expressions per second (of full fine-tuning)',
        '',
        markdown_table(
            ['run', *modes],
            ([name, *(_speed(steps, name, mode) for mode in modes)] for name in names),
        ),
    ]
    if report['largest']:
        budgets = list(dict.fromkeys(k.rpartition(', ')[2] for k in report['largest']))
        lines += [
            '',
            '## Largest batch in bf16, expressions',
            '',
            markdown_table(
                ['run', *budgets],
                (
                    [
                        name,
                        *(
                            str(report['largest'].get(f'{name}, {size}', '–'))
                            for size in budgets
                        ),
                    ]
                    for name in names
                ),
            ),
            '',
            f'Of a card of that size less {CONTEXT} GB for CUDA itself, by '
            '`set_per_process_memory_fraction`; sought in steps of 5 %.',
        ]
    return '\n'.join(lines) + '\n'


def _peak(step: dict | None) -> str:
    if step is None:
        return '–'
    return f'{step["peak"] / 1e9:.2f}' if step['peak'] else 'does not fit'


def _counted(step: dict | None, count: float | None) -> tuple[str, str]:
    if step is None or count is None or not step['peak']:
        return '–', '–'
    return f'{count / 1e9:.2f}', f'{step["peak"] / count - 1:+.0%}'


def _speed(steps: dict, name: str, mode: str) -> str:
    step = steps.get(f'{name}, {mode}')
    if step is None or not step['seconds']:
        return '–'
    speed = step['expressions_per_second']
    full = steps.get(f'{name.split()[0]} full, {mode.split()[0]}')
    if full is None or not full['seconds']:
        return f'{speed:.0f}'
    return f'{speed:.0f} ({speed / full["expressions_per_second"]:.1f} x)'


def main() -> None:
    args = parse_args()
    init_default_scope('mmdet')
    if args.page is None:
        measure_all(args)
        return
    counted = json.loads(Path('docs/benchmarks/efficiency.json').read_text())
    command = f'python tools/analysis_tools/benchmark/gpu.py --json {args.json}'
    text = make_page(json.loads(Path(args.json).read_text()), counted, command)
    write_atomically(args.page, text.encode())


if __name__ == '__main__':
    sys.exit(run_program(main))
