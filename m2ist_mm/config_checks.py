"""Checks names and values in a config, before anything is built from it or loaded."""

import inspect
import math
import numbers
import re
import types
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import (
    Any,
    Literal,
    TypedDict,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

import mmdet.registry
import torch
from mmengine import Config
from mmengine.optim import OptimWrapper, _ParamScheduler
from mmengine.registry import STRATEGIES, Registry
from mmengine.runner import (
    BaseLoop,
    EpochBasedTrainLoop,
    IterBasedTrainLoop,
    Runner,
    TestLoop,
    ValLoop,
)
from torch.utils.data import DataLoader

from .structures.input_spec import MIN_TOKENS

# whose annotations are what their arguments take, and whose arguments are what a config
# states
_ANNOTATED = re.compile(r'(m2ist_mm|mmengine|torch\.(optim|utils|nn\.utils))\b')


class EnvCfg(TypedDict):
    """What MMEngine reads of ``env_cfg``."""

    cudnn_benchmark: bool
    mp_cfg: dict
    dist_cfg: dict
    resource_limit: int


class MPCfg(TypedDict):
    """What MMEngine reads of ``env_cfg.mp_cfg``."""

    mp_start_method: Literal['fork', 'spawn', 'forkserver']
    opencv_num_threads: int


class AutoScaleLR(TypedDict):
    """What MMEngine reads of ``auto_scale_lr``."""

    enable: bool
    base_batch_size: int


# parts of a config that need no type, and what they are arguments of
_WITHOUT_TYPE = {
    **dict.fromkeys(
        ('train_dataloader', 'val_dataloader', 'test_dataloader'), DataLoader
    ),
    'val_cfg': ValLoop,
    'test_cfg': TestLoop,
    'optim_wrapper': OptimWrapper,
    'optim_wrapper.clip_grad': torch.nn.utils.clip_grad_norm_,
    'randomness': Runner.set_randomness,
    'env_cfg': EnvCfg,
    'env_cfg.mp_cfg': MPCfg,
    'auto_scale_lr': AutoScaleLR,
}
# what MMEngine takes out before it calls them
_MORE_NAMES = {
    Runner: ('strategy', 'tta_model', 'tta_pipeline'),
    DataLoader: ('num_batch_per_epoch',),
    BaseLoop: ('by_epoch',),
    OptimWrapper: ('constructor', 'paramwise_cfg'),
    _ParamScheduler: ('convert_to_iter_based',),
}
# what else MMEngine and this package read at the top of a config
_READ = (
    'canvas runner_type model_wrapper_cfg find_unused_parameters sync_bn compile '
    'activation_checkpointing efficient_conv_bn_eval init_weights_for_test_or_val'
).split()
# as similar to a name that is read as this: a slip
_SLIP = 0.92
# by the name of an argument, whoever takes it: smallest and largest value, and those
# that are whole numbers and not annotated
_LEAST = {
    **dict.fromkeys(
        'hidden_channels domain_channels relation_channels rank num_tokens reduction '
        'num_layers num_heads embed_dims feedforward_channels chunk size pool '
        'max_epochs max_iters val_interval batch_size accumulative_counts '
        'base_batch_size'.split(),
        1,
    ),
    **dict.fromkeys(
        'num_workers loss_attention refinements loss_weight lr weight_decay max_norm '
        'seed begin val_begin milestones dropout prob'.split(),
        0,
    ),
    'max_tokens': MIN_TOKENS,
}
_WHOLE = dict(batch_size=int, num_workers=int, seed=int | None)
_MOST = dict.fromkeys('batch_size max_epochs max_iters num_workers'.split(), 2**31) | {
    'seed': 2**32 - 1,
    'dropout': 1,
    'prob': 1,
}


def check_config(config: Config) -> None:
    """Refuse names that nothing has, and values that an argument cannot take.

    Types follow from the annotations of the classes that a config names; what is
    built by a class of another library is left to that, but for its name and for
    numbers whose range follows from the argument's name.

    Args:
        config: A whole config.

    Raises:
        ValueError: In one line: the key, its value, and the nearest known name or what
            the value must be.
    """
    known = _read_at_the_top()
    root = {
        key: value for key, value in config.items() if key in known and key not in _READ
    }
    if root.get('model') is None:
        root.pop('model', None)  # a config of data alone
    try:
        for key in config:
            # a config may have variables of any other name
            if key not in known and get_close_matches(key, known, cutoff=_SLIP):
                raise ValueError(f'{key}: nothing reads it{_near(key, known)}')
        _check_arguments('', Runner, root)
        for key, value in root.items():
            if key != 'strategy':  # torch's own classes are in no registry
                _check(key, value)
    except ValueError as error:
        raise ValueError(f'{config.filename}: {error}') from None


def check_options(config: Config, keys: Iterable[str]) -> None:
    """Refuse to change what nothing reads.

    Args:
        config: A whole config.
        keys: Dotted keys of values that are to be changed in it.

    Raises:
        ValueError: In one line: the key, and the nearest known name or what to do.
    """
    known = _read_at_the_top()
    for key in keys:
        if key == 'model.backbone.vision.size' and config.get('canvas') is not None:
            raise ValueError(
                f'--cfg-options {key}: it follows canvas, which {config.filename} '
                'states: give canvas="(HEIGHT,WIDTH)"'
            )
        name = key.partition('.')[0]
        if name in known:
            continue
        remedy = f'nothing reads {name}{_near(name, known)}'
        if name == 'data_root':
            remedy = 'say it by --data-root'
        elif name in config:
            remedy = (
                f'{name} is a variable of {config.filename}, and was copied to its '
                'places when that file was read: change it there, or name the places'
            )
        raise ValueError(f'--cfg-options {key}: {remedy}')


def _read_at_the_top() -> list[str]:
    """Names at the top of a config that something reads."""
    return [*_arguments(Runner)[0], *_MORE_NAMES[Runner], *_READ]


def _check(key: str, node: Any, is_built: bool = True) -> None:
    """Check what stands under a dotted key, and below.

    Args:
        key: The key.
        node: Its value.
        is_built: Whether a dict with a type in it is surely built by that name.
    """
    if isinstance(node, list | tuple):
        children = {str(number): child for number, child in enumerate(node)}
    elif isinstance(node, Mapping):
        children = dict(node)
        owner = _owner(key, node)
        if owner is not None:
            module = owner.__module__
            # what another library makes of the dicts that it is given is not known
            is_built = module.startswith('m2ist_mm.') or (
                is_built and _ANNOTATED.match(module) is not None
            )
            if is_built:
                _check_arguments(key, owner, children)
        elif is_built and isinstance(node.get('type'), str):
            _check_type(key, node['type'])
        _check_range(key, children)
    else:
        return
    for name, child in children.items():
        if name not in ('metainfo', '_scope_'):
            _check(f'{key}.{name}', child, is_built)


def _owner(key: str, node: Mapping) -> Callable | None:
    """What is called with the values of a node, if it is known."""
    kind = node.get('type')
    if kind is None and key == 'train_cfg':
        by_epoch = node.get('by_epoch', 'max_iters' not in node)
        return EpochBasedTrainLoop if by_epoch else IterBasedTrainLoop
    if kind is None:
        return _WITHOUT_TYPE.get(key)
    if not isinstance(kind, str):
        return kind if callable(kind) else None
    found = {id(one): one for one in _registered(kind)}
    return next(iter(found.values())) if len(found) == 1 else None


def _check_type(key: str, kind: str) -> None:
    scope, _, name = kind.rpartition('.')
    if scope in ('', 'mmdet', 'mmengine') and not any(_registered(kind)):
        names = {n for registry in iter_registries() for n in registry.module_dict}
        raise ValueError(f'{key}.type = {kind!r} is not registered{_near(name, names)}')


def _registered(name: str) -> Iterator[Any]:
    for registry in iter_registries():
        if found := registry.module_dict.get(name.rpartition('.')[2]):
            yield found


def iter_registries() -> Iterator[Registry]:
    """All registries of mmdet and the ones above them."""
    for registry in (*vars(mmdet.registry).values(), STRATEGIES):
        while isinstance(registry, Registry):
            # the modules that register are imported when a name is first asked for
            registry.import_from_location()
            yield registry
            registry = registry.parent


def _check_arguments(key: str, owner: Callable, values: Mapping[str, Any]) -> None:
    """Compare values with the arguments of what is called with them."""
    annotations, is_open = _arguments(owner)
    more = [n for one, names in _MORE_NAMES.items() if _is_a(owner, one) for n in names]
    dot = f'{key}.' if key else ''
    for name, value in values.items():
        if name == 'type' or name.startswith('_'):
            continue
        if name in annotations:
            if not _fits(value, annotations[name]):
                raise ValueError(
                    f'{dot}{name} = {value!r} must be {_text(annotations[name])}'
                )
        elif not is_open and name not in more:
            raise ValueError(
                f'{dot}{name}: {owner.__name__} has no argument of that name'
                f'{_near(name, annotations)}'
            )


def _is_a(owner: Callable, base: type) -> bool:
    return inspect.isclass(owner) and issubclass(owner, base)


def _arguments(owner: Callable) -> tuple[dict[str, Any], bool]:
    """Annotations by name of argument, and whether others may be taken as well.

    What a class takes by ``**kwargs`` goes to the next one in its order of resolution.
    """
    if is_typeddict(owner):
        return get_type_hints(owner), False
    functions = [owner]
    if inspect.isclass(owner):
        functions = [
            vars(c)['__init__'] for c in owner.__mro__ if '__init__' in vars(c)
        ]
    annotations: dict[str, Any] = {}
    for function in functions:
        if function is object.__init__ or not inspect.isfunction(function):
            return annotations, True
        try:
            hints = get_type_hints(function)
        except (NameError, TypeError):
            hints = {}
        if not _ANNOTATED.match(function.__module__):
            hints = {}
        parameters = inspect.signature(function).parameters.values()
        for one in parameters:
            if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY):
                annotations.setdefault(one.name, hints.get(one.name, Any))
        if all(one.kind is not one.VAR_KEYWORD for one in parameters):
            return annotations, False
    return annotations, True


def _fits(value: Any, annotation: Any) -> bool:
    """Whether a value of a config may be what an annotation says."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return any(_fits(value, part) for part in parts)
    if origin is Literal:
        return value in parts
    if annotation in (None, type(None)):
        return value is None
    if annotation is bool:
        return isinstance(value, bool)
    if annotation in (int, float):
        kind = numbers.Integral if annotation is int else numbers.Real
        return (
            isinstance(value, kind)
            and not isinstance(value, bool)
            and -math.inf < value < math.inf
        )
    if annotation is str:
        return isinstance(value, str)
    kind = origin or annotation
    if kind is Any or not inspect.isclass(kind) or kind in (Callable, type):
        return True
    if isinstance(value, Mapping):
        # one of a class is built from it
        return not issubclass(kind, Sequence)
    if issubclass(kind, Mapping):
        return False
    if not issubclass(kind, Sequence):
        return isinstance(value, kind) or callable(value)
    if not isinstance(value, list | tuple):
        return False
    if issubclass(kind, tuple) and parts and parts[-1] is not ...:
        return len(value) == len(parts) and all(map(_fits, value, parts))
    return not parts or all(_fits(one, parts[0]) for one in value)


def _check_range(key: str, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        if name in _WHOLE and not _fits(value, _WHOLE[name]):
            raise ValueError(f'{key}.{name} = {value!r} must be int')
        least, most = _LEAST.get(name, -math.inf), _MOST.get(name, math.inf)
        for one in value if isinstance(value, list | tuple) else [value]:
            if not isinstance(one, numbers.Real) or least <= one <= most:
                continue
            limits = f'at least {least}' if name in _LEAST else 'a number'
            limits += f', at most {most}' if name in _MOST else ''
            raise ValueError(f'{key}.{name} = {value!r} must be {limits}')


def _near(name: str, known: Any) -> str:
    near = get_close_matches(name, known)
    return f'; the nearest: {", ".join(near)}' if near else ''


def _text(annotation: Any) -> str:
    """An annotation for a message: ``'int or None'``."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        parts = [part for part in parts if part is not torch.Tensor]
        return ' or '.join(dict.fromkeys(map(_text, parts)))
    if origin is Literal:
        return ' or '.join(map(repr, parts))
    kind = origin or annotation
    if not inspect.isclass(kind):
        return str(annotation)
    if issubclass(kind, Mapping):
        return 'dict(...)'
    if issubclass(kind, Sequence) and kind is not str:
        listed = ', '.join(_text(part) for part in parts if part is not ...)
        return f'list of {listed}' if parts else 'list'
    names = {float: 'a finite number', bool: 'True or False', type(None): 'None'}
    return names.get(kind, kind.__name__)
