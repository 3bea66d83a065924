"""What the programs in ``tools/`` share: their options, config and error messages."""

import argparse
import gc
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from mmengine.config import Config, ConfigDict, DictAction
from mmengine.logging import MMLogger

from ..datasets import set_data_root


def add_config_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the config and the two options that change it."""
    parser.add_argument('config', help='config file, for instance from configs/m2ist/')
    parser.add_argument(
        '--data-root',
        metavar='DIR',
        help='folder of the data set, instead of the one in the config',
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        metavar='KEY=VALUE',
        help='change settings of the config: optim_wrapper.optimizer.lr=2e-4 '
        'model.backbone.language.weights=FOLDER; lists as key="[a,b]", without blanks',
    )


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Add where to write and how the processes are started."""
    parser.add_argument(
        '--work-dir',
        metavar='DIR',
        help='folder for logs and checkpoints; work_dirs/<config name> unless given',
    )
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm', 'mpi'],
        default='none',
        help='what started the processes of a distributed run',
    )
    # passed by torch.distributed.launch
    parser.add_argument(
        '--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS
    )


def load_config(args: argparse.Namespace) -> Config:
    """Read the config file and apply the options.

    Args:
        args: Parsed options of :func:`add_config_arguments` and, where the program
            has them, :func:`add_run_arguments`.

    Raises:
        FileNotFoundError: There is no such config.
    """
    if not Path(args.config).is_file():
        raise FileNotFoundError(f'there is no config file {args.config}')
    config = Config.fromfile(args.config)
    if args.data_root is not None:
        set_data_root(config, args.data_root)
    if args.cfg_options is not None:
        config.merge_from_dict(args.cfg_options)
    if 'launcher' in args:
        if args.work_dir is not None:
            config.work_dir = args.work_dir
        elif config.get('work_dir') is None:
            config.work_dir = str(Path('work_dirs', Path(args.config).stem))
        os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
        _set_launcher(config, args.launcher)
    return config


def _set_launcher(config: Config, launcher: str) -> None:
    """Set the launcher; without a GPU, start the processes' group by gloo."""
    config.launcher = launcher
    if launcher == 'none' or torch.cuda.is_available():
        return
    if launcher != 'pytorch':
        raise ValueError(
            f'--launcher {launcher} needs GPUs, and torch sees none here; several '
            'processes on CPUs are started by tools/dist_train.sh (--launcher pytorch)'
        )
    # MMEngine would select a CUDA device before it starts the group, and hand that
    # device to the data-parallel wrapper
    torch.distributed.init_process_group('gloo')
    config.model_wrapper_cfg = ConfigDict(
        type='MMDistributedDataParallel',
        device_ids=None,
        find_unused_parameters=config.get('find_unused_parameters', False),
    )


def use_mixed_precision(config: Config) -> None:
    """Train in bfloat16 where the device can, else in float16 with loss scaling."""
    if torch.cuda.is_available() and not torch.cuda.is_bf16_supported(
        including_emulation=False
    ):
        config.optim_wrapper.type = 'AmpOptimWrapper'
        config.optim_wrapper.dtype = 'float16'
        config.optim_wrapper.loss_scale = 'dynamic'
    else:
        config.optim_wrapper.type = 'AutocastOptimWrapper'


def run_program(main: Callable[[], int | None]) -> int:
    """Run a program; say what the user can mend in one line, without traceback.

    Args:
        main: The program, which returns its exit code or ``None`` for 0.

    Returns:
        The exit code: 1 after an error of file, data, config or installation. Its
        traceback goes to the log file, where the program has opened one. Other errors
        are the program's own and pass.
    """
    try:
        return main() or 0
    except (OSError, ValueError, ImportError) as error:
        print(f'error: {str(error) or type(error).__name__}', file=sys.stderr)
        for log in _log_traceback():
            print(f'(where in the program it happened: {log})', file=sys.stderr)
        return 1
    finally:
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            # what still holds the group (the data-parallel model, in reference cycles)
            # must go first, or gloo's threads abort the process when it exits
            gc.collect()
            torch.distributed.destroy_process_group()


def _log_traceback() -> list[str]:
    """Append the traceback of the current error to the open log files."""
    logger = MMLogger.get_current_instance()
    record = logger.makeRecord(
        logger.name, logging.ERROR, __file__, 0, 'stopped by', (), sys.exc_info()
    )
    files = [h for h in logger.handlers if isinstance(h, logging.FileHandler)]
    for handler in files:
        handler.emit(record)
    return [handler.baseFilename for handler in files]
