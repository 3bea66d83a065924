"""Everything that reads or changes a config."""

import argparse
import os
from collections.abc import Iterator
from pathlib import Path

import torch
from mmengine import Config, ConfigDict


def iter_dataset_configs(cfg: Config) -> Iterator[tuple[str, ConfigDict]]:
    """Find the datasets of a config, also inside wrappers such as ConcatDataset.

    Args:
        cfg (Config): A whole config.

    Yields:
        tuple[str, ConfigDict]: Which data loader ('train', 'val', 'test') and
        the dataset's own part of the config.
    """
    for loader in ('train', 'val', 'test'):
        pending = [(cfg.get(f'{loader}_dataloader') or {}).get('dataset')]
        while pending:
            node = pending.pop(0)
            if node is None:
                continue
            inner = node.get('datasets') or node.get('dataset')
            if inner is None:
                yield loader, node
            else:
                pending = (inner if isinstance(inner, list) else [inner]) + pending


def set_data_root(cfg: Config, data_root: str) -> None:
    """Read all datasets of a config from another folder.

    A config's ``data_root`` variable is copied into each dataset when the
    config is read, so that ``--cfg-options data_root=...`` comes too late.

    Args:
        cfg (Config): A whole config; changed in place.
        data_root (str): The folder.
    """
    for _, dataset in iter_dataset_configs(cfg):
        dataset['data_root'] = data_root
    if 'data_root' in cfg:
        cfg.data_root = data_root


def load_config(args: argparse.Namespace) -> Config:
    """Read the config file and apply the options.

    Args:
        args: Parsed options of :func:`add_config_arguments` and, where the program
            has them, :func:`add_run_arguments`.

    Raises:
        FileNotFoundError: There is no such config.
        ValueError: It is no Python file.
    """
    if not Path(args.config).is_file():
        raise FileNotFoundError(f'there is no config file {args.config}')
    if Path(args.config).suffix != '.py':
        # YAML looks like data, and runs code by its Python tags
        raise ValueError(f'{args.config}: a config is a Python file, *.py')
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
