"""Print what grouping a dataset's expressions by image would save."""

import argparse
import json
import sys
from pathlib import Path

from mmdet.registry import DATASETS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from rich.console import Console
from rich.table import Table

from m2ist_mm.config import iter_dataset_configs, load_config
from m2ist_mm.datasets import RECDataset
from m2ist_mm.datasets.transforms.direction_words import has_direction_word
from m2ist_mm.efficiency import GroupingPlan, plan_groups, vision_share
from m2ist_mm.engine.program import add_config_arguments, positive_int, run_program


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Group the expressions of a dataset by image, as a training with '
        'max_expressions_per_sample does, and print the images and expressions of a '
        'batch and what is saved: the vision side runs once a group. Images are not '
        'opened.'
    )
    add_config_arguments(parser)
    parser.add_argument(
        '--mode',
        choices=('train', 'val', 'test'),
        default='train',
        help='the data loader whose datasets are grouped (default: train)',
    )
    parser.add_argument(
        '--batch-size',
        type=positive_int,
        default=64,
        metavar='N',
        help='expressions of a batch (default: 64)',
    )
    parser.add_argument(
        '--group-sizes',
        nargs='+',
        type=positive_int,
        default=[1, 2, 4, 8, 16],
        metavar='K',
        help='values of max_expressions_per_sample (default: 1 2 4 8 16)',
    )
    cost = parser.add_mutually_exclusive_group()
    cost.add_argument(
        '--vision-share',
        type=float,
        metavar='X',
        help='share (0 to 1) of the ungrouped step that is spent by image; gives the '
        'expected time per expression',
    )
    cost.add_argument(
        '--report',
        metavar='FILE',
        help='the same from a measurement: JSON of efficiency_report.py with this '
        "config's model at 1 and at more expressions per image",
    )
    args = parser.parse_args()
    if args.vision_share is not None and not 0 <= args.vision_share <= 1:
        raise ValueError(f'--vision-share {args.vision_share} is not between 0 and 1')
    return args


def read_samples(config: Config, mode: str, group_size: int) -> list[dict]:
    """Group a data loader's datasets, as a training would.

    Raises:
        ValueError: There is no dataset of referring expressions.
    """
    samples = []
    for loader, settings in iter_dataset_configs(config):
        kind = DATASETS.get(settings['type'])
        if loader != mode:
            continue
        if kind is None or not issubclass(kind, RECDataset):
            raise ValueError(f'{settings["type"]} is not a RECDataset')
        dataset = DATASETS.build(
            {
                **settings,
                'lazy_init': False,
                'max_expressions_per_sample': group_size,
                'check_images': False,
            }
        )
        samples += [dataset.get_data_info(index) for index in range(len(dataset))]
    if not samples:
        raise ValueError(f'{config.filename} names no {mode} dataset')
    return samples


def read_vision_share(path: str, config: str) -> float:
    """Vision side's share of a step, from the measured times of a config.

    Args:
        path: File that ``efficiency_report.py --json`` wrote.
        config: Name of the config file.

    Raises:
        ValueError: The file does not hold the two times.
    """
    try:
        times = {
            run['expressions_per_image']: run['training']['per_expression']
            for run in json.loads(Path(path).read_text())['runs']
            if Path(run['config']).name == Path(config).name
        }
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f'{path} holds no times of efficiency_report.py ({type(error).__name__})'
        ) from error
    if 1 not in times or len(times) < 2:
        raise ValueError(
            f'{path}: needs {Path(config).name} at 1 and at more expressions per '
            f'image, it has {sorted(times) or "none"}'
        )
    group_size = max(times)
    return vision_share(times[1], times[group_size], group_size)


def make_table(
    plans: list[GroupingPlan], share: float | None, batch_size: int
) -> Table:
    """Lay out the plans of all group sizes."""
    table = Table(
        'at most a group',
        'groups',
        'expressions per group',
        'images per batch',
        'expressions per batch',
        'vision runs saved',
        *([] if share is None else ['time per expression']),
    )
    for plan in plans:
        table.add_row(
            str(plan.group_size),
            f'{plan.groups:,}',
            f'{plan.expressions_per_group:.2f}',
            f'{plan.images_per_batch(batch_size):.1f}',
            str(batch_size),
            f'{plan.saved_vision_runs:.1%}',
            *([] if share is None else [f'{plan.relative_cost(share):.1%}']),
        )
    return table


def main() -> None:
    """Group the dataset and print the plans."""
    args = parse_args()
    config = load_config(args)
    init_default_scope(config.get('default_scope', 'mmdet'))
    share = args.vision_share
    if args.report is not None:
        share = read_vision_share(args.report, args.config)
    plans, kinds = [], {}
    for size in args.group_sizes:
        samples = read_samples(config, args.mode, size)
        groups = [(sample['img_path'], len(sample['text'])) for sample in samples]
        plans.append(plan_groups(groups, size))
    for sample in samples:
        flags = kinds.setdefault(sample['img_path'], [])
        flags += map(has_direction_word, sample['text'])
    directed = sum(map(sum, kinds.values()))
    mixed = sum(len(set(flags)) == 2 for flags in kinds.values())
    expressions = plans[0].expressions
    print(
        f'{expressions:,} expressions on {len(kinds):,} images; a direction word '
        f'is in {directed / expressions:.0%} of the expressions; '
        f'{mixed / len(kinds):.0%} of the images have both kinds'
    )
    Console(width=120).print(make_table(plans, share, args.batch_size))
    if share is not None:
        print(
            f'time per expression = {share:.2f} / expressions per group + '
            f'{1 - share:.2f} (the vision side: {share:.0%} of the ungrouped step, '
            f'{"given" if args.report is None else "measured in " + args.report})'
        )


if __name__ == '__main__':
    sys.exit(run_program(main))
