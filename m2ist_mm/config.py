"""Everything that reads or changes a config."""

import argparse
import copy
import os
from collections.abc import Iterator
from pathlib import Path

import torch
from mmdet.registry import MODELS, TRANSFORMS
from mmengine import Config, ConfigDict
from mmengine.config.utils import MODULE2PACKAGE

from .config_checks import check_config, check_options, iter_registries
from .config_parts import is_type, iter_dicts, iter_parts
from .models.towers import VisionTower
from .registered_type import registered_type

# _base_ = 'm2ist_mm::m2ist/m2ist_r50_refcoco.py' is looked for in our distribution
MODULE2PACKAGE['m2ist_mm'] = 'm2ist_mm'

_FOLLOWS = 'leave it out, it follows from the towers'
_TABLE = (
    'an architecture of m2ist_mm.models.towers.ARCHITECTURES needs none; for another, '
    'write {new} = dict(KIND=PATTERN) in the config of the tower'
)
_CACHE = (
    'write default_hooks.feature_cache = dict(type="FeatureCacheHook", {name}=...) and '
    'custom_imports = dict(imports=["m2ist_mm", "m2ist_mm.feature_cache"])'
)
# keys of earlier versions, and what says the same now
OLD_KEYS = {
    **dict.fromkeys(
        ('canvas_640', 'canvas_448', 'canvas_320'),
        'write canvas = (height, width); train_pipeline and test_pipeline are fitted '
        'to it',
    ),
    **{
        f'model.backbone.{name}_{old}': _TABLE.format(new=f'{name}.{new}')
        for name in ('vision', 'language')
        for old, new in (('taps', 'taps'), ('sites', 'sites'), ('norms', 'norms'))
    },
    **{
        f'model.backbone.{name}_layers': f'write it as model.neck.{name}_layers'
        for name in ('vision', 'language')
    },
    **{
        f'model.backbone.{name}_cache': _CACHE.format(name=name)
        for name in ('vision', 'language')
    },
    **{
        f'model.backbone.vision_{name}': f'write it as model.backbone.vision.{name}'
        for name in ('chunk', 'channels_last', 'compile')
    },
    **dict.fromkeys(
        (
            *(f'model.neck.{name}' for name in ('num_pairs', 'vision_channels')),
            'model.neck.language_channels',
            'model.neck.vision.num_layers',
            'model.neck.vision.channels',
            'model.neck.language.num_layers',
            'model.neck.language.channels',
            'model.bbox_head.vision_channels',
            'model.bbox_head.language_channels',
            'model.bbox_head.num_vision_tokens',
            'model.backbone.vision.in_channels',
            'model.backbone.vision.positional_encoding',
        ),
        _FOLLOWS,
    ),
    'model.backbone.vision.encoder': (
        'write embed_dims, num_layers, num_heads, feedforward_channels and dropout in '
        'model.backbone.vision'
    ),
    **dict.fromkeys(
        ('model.bbox_head.num_text_tokens', 'model.data_preprocessor.max_tokens'),
        'write it as model.backbone.language.max_tokens',
    ),
}
# the same, of one class alone
OLD_ARGUMENTS = {('BackboneTower', 'model.backbone.vision.embed_dims'): _FOLLOWS}
# arguments of transforms that are lengths in pixels: an edge or (width, height)
_LENGTHS = {
    'Resize': ('scale',),
    'ResizeToFit': ('scale',),
    'ResizeShortestEdge': ('scale', 'max_size'),
    'RandomResize': ('scale',),
    'RandomChoiceResize': ('scales', 'max_size'),
    'ReferentCrop': ('min_size', 'max_size'),
    'PadToCanvas': ('size',),
}


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


def _name_classes(config: Config) -> None:
    """Put the names of classes in their places: MMEngine cannot print a class."""
    for part in iter_parts(config):
        items = part.items() if isinstance(part, dict) else enumerate(part)
        for key, value in list(items):
            if isinstance(value, type):
                part[key] = _name_of(value)


def _name_of(kind: type) -> str:
    """The name by which a registry has a class, else that of its module and its own.

    MMEngine cannot find a class by its module where a function has the module's name,
    as in ``mmdet.models.losses``.
    """
    for registry in iter_registries():
        if registry.module_dict.get(kind.__name__) is kind:
            return f'{registry.scope}.{kind.__name__}'
    return f'{kind.__module__}.{kind.__qualname__}'


def load_config_file(
    path: str | Path,
    data_root: str | None = None,
    cfg_options: dict | None = None,
) -> Config:
    """Read a config file: the way from a file to a config that can be built.

    Args:
        path: The config file.
        data_root: Folder of the datasets, instead of the one in the config.
        cfg_options: Values by dotted keys; applied after ``data_root``.

    Raises:
        FileNotFoundError: There is no such config.
        ValueError: It is no Python file, has keys of an earlier version, names that
            nothing has or reads, or values that an argument cannot take.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f'there is no config file {path}')
    if Path(path).suffix != '.py':
        # YAML looks like data, and runs code by its Python tags
        raise ValueError(f'{path}: a config is a Python file, *.py')
    try:
        config = Config.fromfile(path)
    except ImportError:
        raise
    except Exception as error:  # it is Python: whatever may go wrong in it
        raise ValueError(
            f'{path}: cannot be read as a config: {type(error).__name__}: {error}'
        ) from error
    _drop_own_scope(config)
    _name_classes(config)
    _check_loaders(config)
    if data_root is not None:
        set_data_root(config, data_root)
    if cfg_options is not None:
        check_options(config, cfg_options)
        try:
            config.merge_from_dict(cfg_options)
        except (TypeError, AttributeError, LookupError) as error:
            raise ValueError(
                f'--cfg-options {" ".join(cfg_options)}: {path} has nothing of such a '
                f'name to change: {error}'
            ) from error
    _check_loaders(config)
    check_old_keys(config)
    check_config(config)
    apply_canvas(config)
    _drop_hooks_that_are_none(config)
    _keep_no_workers_where_none_are(config)
    return config


def _keep_no_workers_where_none_are(config: Config) -> None:
    """Let ``num_workers=0`` do, though a config keeps workers between epochs."""
    for name in ('train', 'val', 'test'):
        loader = config.get(f'{name}_dataloader') or {}
        if loader.get('num_workers') == 0:
            for key in ('persistent_workers', 'prefetch_factor'):
                loader.pop(key, None)


def _drop_hooks_that_are_none(config: Config) -> None:
    """Let ``default_hooks.NAME=None`` be no hook, as it is for MMEngine's own six."""
    own = 'runtime_info', 'timer', 'sampler_seed', 'logger', 'param_scheduler'
    hooks = config.get('default_hooks') or {}
    for name in [name for name, hook in hooks.items() if hook is None]:
        if name not in (*own, 'checkpoint'):
            del hooks[name]


def _check_loaders(config: Config) -> None:
    """Refuse what cannot be walked through."""
    for key in (f'{loader}_dataloader' for loader in ('train', 'val', 'test')):
        found = config.get(key)
        parts = {key: found}
        if isinstance(found, dict):
            parts = {
                f'{key}.{part}': found.get(part) for part in ('dataset', 'sampler')
            }
        for name, part in parts.items():
            if not isinstance(part, dict | None):
                raise ValueError(
                    f'{config.filename}: {name} = {part!r} must be dict(...)'
                )


def _drop_own_scope(config: Config) -> None:
    """Make ``_base_ = 'm2ist_mm::...'`` the same as the path of that file.

    MMEngine marks what comes from another package to be built from registries of that
    name; ours are mmdet's.
    """
    for part in iter_dicts(config):
        if part.get('_scope_') == 'm2ist_mm':
            del part['_scope_']


def check_old_keys(config: Config) -> None:
    """Refuse keys that an earlier version read and this one would not.

    Raises:
        ValueError: There is one; the message says what to write instead.
    """
    vision = _find(config, 'model.backbone.vision') or {}
    of_vision = {
        key: remedy
        for (owner, key), remedy in OLD_ARGUMENTS.items()
        if is_type(vision, owner)
    }
    for key, remedy in (OLD_KEYS | of_vision).items():
        if _find(config, key) is not None:
            raise ValueError(
                f'{config.filename}: {key} is a key of an earlier version: {remedy}'
            )


def _find(node: object, key: str) -> object:
    """What a config has under a dotted key, or None."""
    for part in key.split('.'):
        node = node.get(part) if isinstance(node, Config | dict) else None
    return node


def apply_canvas(config: Config) -> None:
    """Carry ``canvas``, where a config states it, into its pipelines and vision tower.

    A pipeline whose ``PadToCanvas`` has another size is scaled from that size to the
    canvas, see :func:`_fit_pipeline`. Applied twice, it changes nothing more.

    Args:
        config: A whole config; ``canvas`` is (height, width) in pixels. Changed in
            place.

    Raises:
        ValueError: ``canvas`` is no pair of positive integers, or a pipeline has
            several ``PadToCanvas`` of different sizes.
    """
    canvas = config.get('canvas')
    if canvas is None:
        return
    if not (
        isinstance(canvas, list | tuple)
        and len(canvas) == 2
        and all(isinstance(side, int) and side > 0 for side in canvas)
    ):
        raise ValueError(
            f'canvas = {canvas!r}: give height and width in pixels, for instance '
            'canvas="(448,448)"'
        )
    height, width = canvas
    _fit_pipelines(config, (width, height))
    vision = _find(config, 'model.backbone.vision')
    if isinstance(vision, dict) and _has_size(vision):
        vision['size'] = (height, width)


def _has_size(tower: dict) -> bool:
    """Whether the tower of a config is made for an input size."""
    tower_class = MODELS.get(str(tower.get('type')))
    return isinstance(tower_class, type) and issubclass(tower_class, VisionTower)


def _fit_pipelines(config: Config, size: tuple[int, int]) -> None:
    """Fit every pipeline of a config, those of wrapped datasets, TTA and hooks too."""
    for part in iter_dicts(config):
        for key, child in part.items():
            if key.endswith('pipeline') and isinstance(child, list):
                part[key] = _fit_pipeline(child, size)


def _fit_pipeline(pipeline: list, size: tuple[int, int]) -> list:
    """Scale all lengths of a pipeline from its canvas to another.

    Args:
        pipeline: Configs of transforms.
        size: (width, height) of the other canvas in pixels.

    Returns:
        The same list if it has that canvas or none, else a changed copy. An edge alone
        is scaled as the canvas' side that shrinks more, so that what fitted still fits.
    """
    canvases = {
        tuple(step['size'])
        for step in iter_dicts(pipeline)
        if 'PadToCanvas' in _kinds(step)
    }
    if len(canvases) > 1:
        raise ValueError(
            f'canvas = {size[::-1]}: a pipeline has PadToCanvas of several sizes, '
            f'{sorted(canvases)}; it must have one'
        )
    if canvases in (set(), {size}):
        return pipeline
    axes = tuple(zip(size, canvases.pop(), strict=True))
    fitted = copy.deepcopy(pipeline)
    for step in iter_dicts(fitted):
        lengths = (_LENGTHS.get(kind, ()) for kind in _kinds(step))
        for argument in set().union(*lengths):
            if step.get(argument) is not None:
                step[argument] = _scale(
                    step[argument], axes, several=argument == 'scales'
                )
    return fitted


def _kinds(step: dict) -> set[str]:
    """Names of a transform's class and of those that it derives from."""
    found = registered_type(step, TRANSFORMS)
    own = str(step.get('type')).rpartition('.')[2]
    return {own, *(base.__name__ for base in getattr(found, '__mro__', ()))}


def _scale(lengths, axes: tuple[tuple[int, int], ...], several: bool = False):
    """Scale an edge, a pair (width, height) or a list of them.

    Args:
        lengths: Pixels.
        axes: New and old length of the canvas for width and height.
        several: Whether ``lengths`` is a list of edges or pairs in any case.
    """
    if not isinstance(lengths, list | tuple):
        return min(round(lengths * new / old) for new, old in axes)
    if several or isinstance(lengths[0], list | tuple):
        scaled = [_scale(one, axes) for one in lengths]
    else:
        scaled = [_scale(one, (axis,)) for one, axis in zip(lengths, axes, strict=True)]
    return type(lengths)(scaled)


def load_config(args: argparse.Namespace) -> Config:
    """Read the config file and apply the options.

    Args:
        args: Parsed options of :func:`add_config_arguments` and, where the program
            has them, :func:`add_run_arguments`.

    Raises:
        FileNotFoundError, ValueError: As :func:`load_config_file`; or the launcher is
            said by ``--cfg-options``.
    """
    if 'launcher' in args and 'launcher' in (args.cfg_options or ()):
        raise ValueError('--cfg-options launcher: say it by --launcher')
    config = load_config_file(args.config, args.data_root, args.cfg_options)
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
