"""Train a model."""

import argparse
import sys

from m2ist_mm.config import load_config, use_mixed_precision
from m2ist_mm.engine.program import (
    add_config_arguments,
    add_run_arguments,
    run_config,
    run_program,
)


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description='Train a model.')
    add_config_arguments(parser)
    add_run_arguments(parser)
    parser.add_argument(
        '--amp',
        action='store_true',
        help='train in bfloat16, or float16 where the GPU has no bfloat16',
    )
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help='scale the learning rate by this batch size / the one of the config',
    )
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='CKPT',
        help='go on where a training stopped: from the newest checkpoint in the work '
        'dir, or from CKPT',
    )
    return parser.parse_args()


def main() -> None:
    """Build the runner of the config and train."""
    args = parse_args()
    config = load_config(args)
    if args.amp:
        use_mixed_precision(config)
    if args.auto_scale_lr:
        if 'base_batch_size' not in config.get('auto_scale_lr', {}):
            raise ValueError(
                f'--auto-scale-lr: {args.config} has no auto_scale_lr.base_batch_size, '
                'the batch size that its learning rate is for'
            )
        config.auto_scale_lr.enable = True
    if args.resume is not None:
        config.resume = True
        config.load_from = None if args.resume == 'auto' else args.resume
    run_config(config, 'train')


if __name__ == '__main__':
    sys.exit(run_program(main))
