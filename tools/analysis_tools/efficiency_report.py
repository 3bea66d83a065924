"""Measure what a training step of one or more configs costs."""

import argparse
import json
import sys
from collections.abc import Callable
from functools import partial
from itertools import cycle
from pathlib import Path

import torch
from benchmark.reference_step import ReferenceStep
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.registry import init_default_scope
from rich.console import Console
from rich.table import Table

import m2ist_mm  # noqa: F401  registers everything
from m2ist_mm.atomic_file import write_atomically
from m2ist_mm.config import load_config_file, use_mixed_precision
from m2ist_mm.efficiency import (
    PairedTimes,
    SavedActivations,
    TrainingStep,
    cuda_peak,
    extrapolate_step,
    measure_step,
    step_flops,
)
from m2ist_mm.engine.config_options import ConfigOptions
from m2ist_mm.engine.program import positive_int, run_program

# Measured on the reference implementation of TransVG R-50 (fp32, 640x640, 20 tokens):
# bytes of saved activations of an expression, tuned in full and with frozen towers
REFERENCE_SAVED = 591_000_000
REFERENCE_SAVED_FROZEN = 194_000_000
REFERENCE_TUNED = 148_932_868
# weight, gradient and the two moments of AdamW
BYTES_A_TUNED_PARAMETER = 16


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Measure memory, operations and time of a training step. Bytes are '
        'exact: measured on tensors at two small batches and extrapolated; a third '
        'batch checks that. Towers are random and inputs are noise, so that neither '
        'weights nor data are needed. Times are of runs in turns.'
    )
    parser.add_argument(
        'configs',
        nargs='+',
        metavar='[NAME=]CONFIG',
        help='config files; times are compared with the first; NAME is what the table '
        'calls it',
    )
    parser.add_argument(
        '--expressions-per-image',
        nargs='+',
        type=positive_int,
        default=[1],
        metavar='K',
        help='one number, or one for each config (default: 1)',
    )
    parser.add_argument(
        '--batch-size',
        type=positive_int,
        default=64,
        metavar='N',
        help='expressions of the batch that bytes are extrapolated to (default: 64)',
    )
    parser.add_argument(
        '--sizes',
        nargs=3,
        type=positive_int,
        default=[2, 3, 4],
        metavar=('A', 'B', 'C'),
        help='images of the batches that are measured: A and B give the line, C checks '
        'it (default: 2 3 4; a single image is no measure, as some of its copies are '
        'spared). Where towers run in chunks, take multiples of the chunk',
    )
    parser.add_argument(
        '--timed-images',
        type=positive_int,
        metavar='N',
        help='images of the batch that is timed; C unless given',
    )
    parser.add_argument(
        '--repetitions',
        type=int,
        default=5,
        metavar='N',
        help='timed runs of each config, 0 for none (default: 5)',
    )
    parser.add_argument(
        '--only-inference',
        action='store_true',
        help='time predictions alone: of one config given twice, with '
        '--expressions-per-image 1 8, what is gained by asking 8 expressions of a '
        'image together',
    )
    parser.add_argument(
        '--with-reference',
        action='store_true',
        help='time the training step of the first config, which must be full '
        "fine-tuning, in the form of TransVG's public code as well",
    )
    parser.add_argument(
        '--amp', action='store_true', help='mixed precision, as in tools/train.py'
    )
    parser.add_argument(
        '--cfg-options',
        action=ConfigOptions,
        help='change settings of all configs',
    )
    parser.add_argument('--json', metavar='FILE', help='write the figures to this file')
    return parser.parse_args()


def check_args(args: argparse.Namespace) -> None:
    """Check the numbers.

    Raises:
        ValueError: One of them is of no use.
    """
    numbers = len(args.expressions_per_image)
    if numbers not in (1, len(args.configs)):
        raise ValueError(
            f'--expressions-per-image has {numbers} numbers for {len(args.configs)} '
            'configs: give one number, or one for each'
        )
    if numbers == 1:
        args.expressions_per_image *= len(args.configs)
    if args.timed_images is None:
        args.timed_images = args.sizes[2]
    if args.repetitions < 0:
        raise ValueError(f'--repetitions {args.repetitions}: at least 0')
    for option in ('only_inference', 'with_reference'):
        if getattr(args, option) and not args.repetitions:
            name = option.replace('_', '-')
            raise ValueError(f'--{name} needs --repetitions above 0')
    if args.with_reference and args.only_inference:
        raise ValueError('--with-reference is of training, not with --only-inference')
    if len(set(args.sizes)) < 3:
        raise ValueError('--sizes needs three different numbers of images')


def read_config(path: str, args: argparse.Namespace) -> Config:
    """Read a config and apply the options."""
    config = load_config_file(path, cfg_options=args.cfg_options)
    if args.amp:
        use_mixed_precision(config)
    return config


def report_memory(
    config: Config, expressions_per_image: int, device: str, args: argparse.Namespace
) -> dict:
    """Measure bytes and operations of one config.

    Returns:
        Figures of the asked batch, those of the check, and operations per expression.
    """
    build = partial(TrainingStep, config, device)
    images = -(-args.batch_size // expressions_per_image)
    expressions = images * expressions_per_image
    low, high, third = (
        measure_step(build, size, expressions_per_image) for size in args.sizes
    )
    target = extrapolate_step(low, high, images)
    foretold = extrapolate_step(low, high, third.images)
    step = build()
    flops = step_flops(step, step.inputs.batch(low.images, expressions_per_image))
    figures = dict(
        images=images,
        expressions=expressions,
        tuned_parameters=sum(
            parameter.numel()
            for parameter in step.model.parameters()
            if parameter.requires_grad
        ),
        parameters=target.parameters,
        gradients=target.gradients,
        optimizer=target.optimizer,
        kept=target.kept,
        saved=target.total_saved,
        transient=target.transient,
        peak=target.peak,
        saved_by_part=target.saved,
        saved_per_expression=target.total_saved / expressions,
        check=dict(
            images=third.images,
            saved=dict(
                measured=third.bytes.total_saved, extrapolated=foretold.total_saved
            ),
            peak=dict(measured=third.bytes.peak, extrapolated=foretold.peak),
        ),
        flops_per_expression={
            name: value / (low.images * expressions_per_image)
            for name, value in flops.items()
        },
    )
    figures['saved_and_tuned'] = (
        figures['saved'] + BYTES_A_TUNED_PARAMETER * figures['tuned_parameters']
    )
    if device == 'cuda':
        del step
        figures['cuda_peak'] = cuda_peak(build, images, expressions_per_image)
    return figures


def report_times(
    configs: list[Config], device: str, args: argparse.Namespace
) -> list[dict]:
    """Time training steps, and predictions of one image's expressions, in turns.

    Training repeats one batch, so that a text cache knows its expressions, as it does
    from the second epoch on. Predictions are of new expressions each time.

    Returns:
        For each config ``training``, unless it is not asked for, and ``inference``; at
        the end, if it is asked for, ``training`` of the reference.
    """
    steps = [TrainingStep(config, device) for config in configs]
    paired = list(zip(steps, args.expressions_per_image, strict=True))
    expressions_per_image = list(args.expressions_per_image)
    trained = list(paired)
    if args.with_reference:
        expressions_per_image.append(expressions_per_image[0])
        trained.append((ReferenceStep(configs[0], device), expressions_per_image[0]))
    training = [
        in_turn(step, step.train, [step.inputs.batch(args.timed_images, expressions)])
        for step, expressions in trained
    ]
    inference = [
        in_turn(
            step,
            step.predict,
            [
                step.inputs.batch(1, expressions, seed)
                for seed in range(args.repetitions + 1)
            ],
        )
        for step, expressions in paired
    ]
    kinds = [('inference', inference, 1)]
    if not args.only_inference:
        kinds.insert(0, ('training', training, args.timed_images))
    reports = [{} for _ in trained]
    for kind, programs, images in kinds:
        times = PairedTimes(programs, args.repetitions)
        for report, seconds, median, ratio, expressions in zip(
            reports,
            times.seconds,
            times.medians(),
            times.ratios(),
            expressions_per_image,
            strict=False,  # the reference is not asked to predict
        ):
            report[kind] = dict(
                images=images,
                seconds=seconds,
                median=median,
                per_expression=median / (images * expressions),
                # times are of batches, those of the first config of other ones
                ratio=ratio * args.expressions_per_image[0] / expressions,
            )
    return reports


def in_turn(
    step: TrainingStep, run: Callable[[dict], None], batches: list[dict]
) -> Callable[[], None]:
    """Return a function that runs one of the batches after the other."""
    batch = cycle(batches)

    def program():
        run(next(batch))
        step.synchronize()

    return program


def reference_figures(batch_size: int) -> dict:
    """Figures of the reference implementation's full fine-tuning, by its formula."""
    return dict(
        saved_per_expression=REFERENCE_SAVED,
        saved_per_expression_frozen=REFERENCE_SAVED_FROZEN,
        tuned_parameters=REFERENCE_TUNED,
        peak=REFERENCE_SAVED * batch_size + BYTES_A_TUNED_PARAMETER * REFERENCE_TUNED,
    )


def reference_saved(config: Config, device: str, images: int) -> float:
    """Bytes of saved activations per expression in the form of TransVG's code."""
    step = ReferenceStep(config, device)
    with SavedActivations(step.model) as saved:
        step.train(step.inputs.batch(images, 1))
    return saved.total / images


def make_tables(report: dict) -> list[Table]:
    """Lay the figures out, a column per run."""
    runs = report['runs']
    reference = report['reference']
    batch = report['batch_size']
    names = [run['name'] for run in runs]
    times = time_table(runs, names, reference)
    if 'peak' not in runs[0]:
        return [times]
    memory = Table('memory', *names, title=f'a batch of {batch} expressions')
    for label, key, scale in (
        ('images', 'images', None),
        ('tuned parameters', 'tuned_parameters', None),
        ('parameters and buffers, MB', 'parameters', 1e6),
        ('gradients, MB', 'gradients', 1e6),
        ('optimiser state, MB', 'optimizer', 1e6),
        ('cached text features, MB', 'kept', 1e6),
        ('saved activations, MB', 'saved', 1e6),
        ('  an expression, MB', 'saved_per_expression', 1e6),
        ('transient in the step, MB', 'transient', 1e6),
        ('peak, GB', 'peak', 1e9),
    ):
        memory.add_row(label, *(number(run[key], scale) for run in runs))
    memory.add_row(
        f'  of the reference, {reference["peak"] / 1e9:.1f} GB',
        *(f'{run["peak"] / reference["peak"]:.1%}' for run in runs),
    )
    memory.add_row(
        'saved + 16 bytes per tuned parameter, GB',
        *(number(run['saved_and_tuned'], 1e9) for run in runs),
    )
    memory.add_row(
        f'  of the reference, {reference["peak"] / 1e9:.1f} GB',
        *(f'{run["saved_and_tuned"] / reference["peak"]:.1%}' for run in runs),
    )
    for key in ('saved', 'peak'):
        memory.add_row(
            f'{key}: error of extrapolating to {runs[0]["check"]["images"]} images',
            *(f'{check_error(run, key):+.2%}' for run in runs),
        )
    if report['device'] == 'cuda':
        memory.add_row(
            'peak by the GPU allocator, GB',
            *(
                number(run['cuda_peak'], 1e9) if run['cuda_peak'] else 'does not fit'
                for run in runs
            ),
        )
    parts = Table('saved activations per expression, MB', *names)
    for part in dict.fromkeys(part for run in runs for part in run['saved_by_part']):
        parts.add_row(
            part,
            *(
                number(run['saved_by_part'].get(part, 0) / run['expressions'], 1e6)
                for run in runs
            ),
        )
    return [memory, parts, times]


def time_table(runs: list[dict], names: list[str], reference: dict) -> Table:
    """Lay operations and times out, as far as they were measured."""
    table = Table('operations and time per expression', *names)
    table.add_row(
        'expressions per image', *(str(run['expressions_per_image']) for run in runs)
    )
    for key in ('forward', 'backward'):
        if 'flops_per_expression' in runs[0]:
            table.add_row(
                f'{key}, GFLOP',
                *(number(run['flops_per_expression'][key], 1e9) for run in runs),
            )
    for kind in ('training', 'inference'):
        if kind not in runs[0]:
            continue
        table.add_row(
            f'{kind}, ms', *(number(run[kind]['per_expression'], 1e-3) for run in runs)
        )
        table.add_row(
            f'{kind}, of {names[0]}', *(f'{run[kind]["ratio"]:.1%}' for run in runs)
        )
        table.add_row(
            f'{kind}, expressions a second, times {names[0]}',
            *(f'{1 / run[kind]["ratio"]:.2f}' for run in runs),
        )
    if 'training' in reference:
        table.add_row(
            f"training, of the reference's {names[0]}",
            *(
                f'{run["training"]["ratio"] / reference["training"]["ratio"]:.1%}'
                for run in runs
            ),
        )
    return table


def number(value: float, scale: float | None) -> str:
    """A count as it is, or a measure in its unit with two digits."""
    return f'{value:,}' if scale is None else f'{value / scale:,.2f}'


def check_error(run: dict, key: str) -> float:
    """Relative error of what was extrapolated to the third batch."""
    check = run['check'][key]
    # nothing saved is nothing to err about
    return check['extrapolated'] / (check['measured'] or 1) - bool(check['measured'])


def main() -> None:
    """Measure, print the tables, and write the figures where asked to."""
    args = parse_args()
    check_args(args)
    init_default_scope('mmdet')
    device = get_device().partition(':')[0]
    configs, runs = [], []
    for item, expressions in zip(args.configs, args.expressions_per_image, strict=True):
        name, _, path = item.rpartition('=')
        configs.append(read_config(path, args))
        runs.append(
            dict(
                name=name or Path(path).stem,
                config=path,
                expressions_per_image=expressions,
            )
        )
    if not args.only_inference:
        for run, config in zip(runs, configs, strict=True):
            print(f'measuring {run["name"]}', file=sys.stderr)
            expressions = run['expressions_per_image']
            run.update(report_memory(config, expressions, device, args))
    if args.repetitions:
        print('timing', file=sys.stderr)
        times = report_times(configs, device, args)
        for run, of_run in zip(runs, times, strict=False):
            run.update(of_run)
    reference = reference_figures(args.batch_size)
    if args.with_reference:
        reference.update(
            times[-1],
            saved_by_its_form=reference_saved(configs[0], device, args.sizes[0]),
        )
    report = dict(
        batch_size=args.batch_size,
        sizes=args.sizes,
        repetitions=args.repetitions,
        mixed_precision=args.amp,
        device=device,
        device_name=torch.cuda.get_device_name() if device == 'cuda' else 'CPU',
        threads=torch.get_num_threads(),
        torch=torch.__version__,
        reference=reference,
        runs=runs,
    )
    for table in make_tables(report):
        Console(width=160).print(table)
    if args.json is not None:
        write_atomically(args.json, (json.dumps(report, indent=2) + '\n').encode())


if __name__ == '__main__':
    sys.exit(run_program(main))
