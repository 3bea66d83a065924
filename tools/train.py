"""Train a model."""

import argparse
import sys

from mmengine.config import Config

from m2ist_mm.checkpoints import load_checkpoint
from m2ist_mm.checkpoints.resumable_checkpoint import newest_checkpoint
from m2ist_mm.checkpoints.resume_settings import take_settings
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
    parser.add_argument(
        '--resume-settings',
        choices=['checkpoint', 'config'],
        help='whose settings of optimiser and schedule count where the checkpoint was '
        'made with others than the config has; refused unless given',
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
    if config.get('resume') and config.get('load_from') is None:
        config.load_from = newest_checkpoint(config.work_dir)
    if args.resume_settings is not None:
        use_resume_settings(config, args.resume_settings)
    run_config(config, 'train')


def use_resume_settings(config: Config, source: str) -> None:
    """Say which settings of optimiser and schedule a resume goes on with.

    Args:
        config: Config, changed in place.
        source: 'checkpoint' puts the checkpoint's into the config; 'config' lets
            ``TunedStateHook`` put the config's into the checkpoint.

    Raises:
        ValueError: The config resumes nothing, or has no such hook.
    """
    if not config.get('resume'):
        raise ValueError('--resume-settings: nothing is resumed, add --resume')
    if source == 'config':
        if 'tuned_state' not in config.get('default_hooks', {}):
            raise ValueError(
                '--resume-settings config: the config has no TunedStateHook, '
                'default_hooks.tuned_state'
            )
        config.default_hooks.tuned_state.resume_settings = 'config'
    elif config.get('load_from') is not None:
        checkpoint = load_checkpoint(config.load_from)
        if 'meta' not in checkpoint:
            raise ValueError(
                f'{config.load_from} holds weights alone, training cannot resume'
            )
        for path, (value, _) in take_settings(checkpoint, config).items():
            print(f'from the checkpoint: {".".join(path)} = {value}')


if __name__ == '__main__':
    sys.exit(run_program(main))
