"""What the programs in ``tools/`` share: their options, config and error messages."""

import argparse
import gc
import logging
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from mmdet.registry import OPTIM_WRAPPERS
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import RUNNERS, build_from_cfg
from mmengine.runner import Runner

from ..checkpoints import safe_loading
from ..registered_type import registered_type
from .config_options import ConfigOptions
from .data_first_runner import TestingRunner, TrainingRunner
from .interruption import Interruption, Stopped
from .optimizers import AutocastOptimWrapper


def add_config_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the config and the two options that change it."""
    parser.add_argument('config', help='config file, for instance from configs/m2ist/')
    parser.add_argument(
        '--data-root',
        metavar='DIR',
        help='folder of the dataset, instead of the one in the config',
    )
    parser.add_argument(
        '--cfg-options',
        action=ConfigOptions,
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


def positive_int(text: str) -> int:
    """Read a number that an option counts something by, as its ``type``."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f'{text!r} is no whole number above 0')
    return int(text)


def run_config(config: Config, stage: str) -> None:
    """Build the runner of a config and run it; no file that it loads can run code.

    Args:
        config: A whole config.
        stage: What the runner shall do, 'train' or 'test'.

    Raises:
        ValueError: Something cannot be built from the config; names it.
    """
    _check_is_whole(config)
    if config.get('randomness', {}).get('deterministic'):
        # without it, cuBLAS refuses to be deterministic
        os.environ.setdefault('CUBLAS_WORKSPACE_CONFIG', ':4096:8')
    _bound_onednn(config)
    interruption = Interruption()
    prefix = f'{config.filename}: '
    with safe_loading(), interruption.handling(), _naming_what_cannot_be_built(prefix):
        runner_class = dict(train=TrainingRunner, test=TestingRunner)[stage]
        # a runner of another type: MMEngine's FlexibleRunner, for its strategies
        build = RUNNERS.build if 'runner_type' in config else runner_class.from_cfg
        try:
            runner = build(config)
            runner.register_hook(interruption)
            getattr(runner, stage)()
        except Stopped as stopped:
            if stage == 'train':
                stopped.notes.append(_how_to_resume(config))
            raise


def _bound_onednn(config: Config) -> None:
    """Bound what oneDNN keeps for bfloat16 products on a CPU.

    By default the last 1,024 products of different shapes keep about a MB each, in two
    caches and in each thread: gigabytes, as batches have many sizes.
    """
    kind = registered_type(config.get('optim_wrapper') or {}, OPTIM_WRAPPERS)
    if isinstance(kind, type) and issubclass(kind, AutocastOptimWrapper):
        # read when the first product is computed
        for name in ('LRU_CACHE_CAPACITY', 'ONEDNN_PRIMITIVE_CACHE_CAPACITY'):
            os.environ.setdefault(name, '128')


def _check_is_whole(config: Config) -> None:
    """Refuse a config whose runner would lack something that belongs to the rest."""
    if config.get('model') is None:
        raise ValueError(f'{config.filename}: there is no model')
    for group in (
        ('train_dataloader', 'train_cfg', 'optim_wrapper'),
        ('val_dataloader', 'val_cfg', 'val_evaluator'),
        ('test_dataloader', 'test_cfg', 'test_evaluator'),
    ):
        missing = [key for key in group if config.get(key) is None]
        if missing and len(missing) < len(group):
            raise ValueError(
                f'{config.filename}: {", ".join(missing)} missing; {", ".join(group)} '
                'belong together: state all of them, or None for each'
            )


@contextmanager
def _naming_what_cannot_be_built(prefix: str = '') -> Iterator[None]:
    """Turn errors in the building of a part of a config into one line with its name.

    Args:
        prefix: What the line begins with.

    Raises:
        ValueError: Something cannot be built.
    """
    try:
        yield
    except OSError:
        raise  # names its file
    except Exception as error:
        part, raised_by = _built_part(error)
        is_value = isinstance(error, ValueError)
        if part is None or (is_value and raised_by.startswith('m2ist_mm')):
            raise  # the program's own, or one line already
        reason = str(error if is_value or not error.args else error.args[0])
        reason = reason.partition('\n')[0] or type(error).__name__
        raise ValueError(f'{prefix}{part} cannot be built: {reason}') from error


def _built_part(error: Exception) -> tuple[str | None, str]:
    """What an error arose in the building of: a part of a config, or ``None``.

    Returns:
        The part, and the module that raised the error.
    """
    part, module = None, ''
    for frame, _ in traceback.walk_tb(error.__traceback__):
        name, module = frame.f_code.co_name, frame.f_globals.get('__name__', '')
        if frame.f_code is build_from_cfg.__code__:
            found = frame.f_locals.get('cfg')
            if isinstance(found, dict):
                part = f'type={found.get("type")!r}'
        elif module == Runner.__module__ and name.startswith('build_'):
            part = name.removeprefix('build_')
    return part, module


def _how_to_resume(config: Config) -> str:
    if not Path(config.work_dir, 'last_checkpoint').is_file():
        return 'no checkpoint was saved yet'
    return (
        f'to go on from the newest checkpoint in {config.work_dir}, run the same '
        'command with --resume'
    )


def run_program(main: Callable[[], int | None]) -> int:
    """Run a program; say what the user can mend in one line, without traceback.

    Args:
        main: The program, which returns its exit code or ``None`` for 0.

    Returns:
        The exit code: 130 after SIGINT (Ctrl-C) and 143 after SIGTERM, which end the
        program after the running step of a training, in at most ten seconds; 1 after
        an error of file, data, config or installation. Its traceback goes to the log
        file, where the program has opened one. Other errors are the program's own and
        pass.
    """
    deadline = None
    try:
        with Interruption().handling(), _naming_what_cannot_be_built():
            return main() or 0
    except Stopped as stopped:
        deadline = stopped.deadline
        print('; '.join((f'stopped by {stopped}', *stopped.notes)), file=sys.stderr)
        return stopped.exit_code
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
        if deadline is not None:
            deadline.cancel()


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
