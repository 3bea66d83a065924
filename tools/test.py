"""Test a checkpoint."""

import argparse
import sys
from pathlib import Path

from mmengine.config import Config
from mmengine.runner import Runner

from m2ist_mm.engine.program import (
    add_config_arguments,
    add_run_arguments,
    load_config,
    run_program,
)


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Test a checkpoint on the splits of the config.'
    )
    add_config_arguments(parser)
    parser.add_argument('checkpoint', help='checkpoint file')
    add_run_arguments(parser)
    parser.add_argument(
        '--out',
        metavar='FILE.json',
        help='write box, IoU and text of every expression to this file',
    )
    parser.add_argument(
        '--show', action='store_true', help='show each prediction in a window'
    )
    parser.add_argument(
        '--show-dir', metavar='DIR', help='write a picture of each prediction to DIR'
    )
    parser.add_argument(
        '--wait-time',
        type=float,
        default=2,
        metavar='S',
        help='seconds that --show leaves a picture; 0 = until a key is pressed',
    )
    return parser.parse_args()


def main() -> None:
    """Build the runner of the config, load the checkpoint and test."""
    args = parse_args()
    config = load_config(args)
    if not Path(args.checkpoint).expanduser().is_file():
        raise FileNotFoundError(f'there is no checkpoint file {args.checkpoint}')
    config.load_from = args.checkpoint
    config.resume = False
    if args.out is not None:
        set_result_file(config, args.out)
    if args.show or args.show_dir:
        config.default_hooks.visualization.update(
            show=args.show, wait_time=args.wait_time, out_dir=args.show_dir
        )
    Runner.from_cfg(config).test()


def set_result_file(config: Config, path: str) -> None:
    """Let the config's metric write the results of all expressions to a file.

    Args:
        config: Config with a ``RECMetric`` in ``test_evaluator``; changed in place.
        path: The file, ``*.json``.

    Raises:
        ValueError: The file has another ending, or there is no such metric.
    """
    if not path.endswith('.json'):
        raise ValueError(f'--out {path}: the results are JSON, call the file *.json')
    metrics = config.get('test_evaluator') or []
    for metric in metrics if isinstance(metrics, list) else [metrics]:
        if metric.type == 'RECMetric':
            metric.outfile_prefix = path.removesuffix('.json')
            return
    raise ValueError('--out: the config has no RECMetric in test_evaluator')


if __name__ == '__main__':
    sys.exit(run_program(main))
