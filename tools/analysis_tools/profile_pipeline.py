"""Show where the time of a config's data pipeline goes, step by step."""

import argparse
import sys
from time import perf_counter

import numpy as np
from mmdet.registry import DATASETS
from mmengine.registry import init_default_scope
from rich.console import Console
from rich.table import Table

import m2ist_mm  # noqa: F401  registers everything
from m2ist_mm.config import iter_dataset_configs, load_config
from m2ist_mm.efficiency import PipelineProfile
from m2ist_mm.engine.hooks.epoch_seed_hook import set_epoch
from m2ist_mm.engine.program import add_config_arguments, positive_int, run_program


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description="Time each step of a config's data pipeline, in one process."
    )
    add_config_arguments(parser)
    parser.add_argument(
        '--mode',
        choices=('train', 'val', 'test'),
        default='train',
        help='the data loader whose first dataset is read (default: train)',
    )
    parser.add_argument(
        '-n',
        '--number',
        type=positive_int,
        default=200,
        help='number of samples, spread over the dataset (default: 200)',
    )
    return parser.parse_args()


def main() -> None:
    """Prepare the samples, and print the time of each step."""
    args = parse_args()
    config = load_config(args)
    init_default_scope(config.get('default_scope', 'mmdet'))
    sets = [node for mode, node in iter_dataset_configs(config) if mode == args.mode]
    if not sets:
        raise ValueError(f'{args.config} has no {args.mode}_dataloader')
    dataset = DATASETS.build(sets[0])
    set_epoch(dataset, 0)
    indices = np.linspace(0, len(dataset) - 1, args.number).round().astype(int).tolist()
    # what is loaded and allocated once is no matter of the steps
    dataset[indices[0]]
    profile = PipelineProfile(dataset.pipeline)
    begin = perf_counter()
    for index in indices:
        dataset[index]
    total = perf_counter() - begin
    Console(width=100).print(make_table(profile, total, len(indices)))


def make_table(profile: PipelineProfile, total: float, samples: int) -> Table:
    """Lay the times out, a row per step.

    Args:
        profile: The steps' times.
        total: Seconds of all samples, with what is around the steps.
        samples: Number of samples.
    """
    table = Table('step', 'runs a sample', 'ms per sample', 'share')
    rest = total - sum(profile.seconds.values())
    for name, seconds, calls in (
        *((name, profile.seconds[name], profile.calls[name]) for name in profile.calls),
        ('around the steps', rest, samples),
        ('all', total, samples),
    ):
        table.add_row(
            name,
            f'{calls / samples:.2f}',
            f'{1e3 * seconds / samples:.2f}',
            f'{seconds / total:.1%}',
        )
    return table


if __name__ == '__main__':
    sys.exit(run_program(main))
