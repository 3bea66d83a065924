"""Checks the state that a training needs to resume from a checkpoint."""

import math
import numbers
import warnings
from reprlib import repr as shown
from typing import Any

import torch
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner
from torch import Tensor

from .resumable_checkpoint import name_of

_OWN_CHECKS = ('state', 'param_groups', 'base_param_settings')
# what optimisers keep for each weight in the weight's shape
_MOMENTS = ('exp_avg', 'exp_avg_sq', 'max_exp_avg_sq', 'momentum_buffer')


def check_resume_state(
    runner: Runner, checkpoint: dict, own_settings: bool = False
) -> None:
    """Check that a checkpoint holds the whole state of a training like the runner's.

    Args:
        runner: The runner that resumes, with optimiser and schedulers built.
        checkpoint: A loaded checkpoint with its resume file's content.
        own_settings: Whether the runner's schedulers take the place of the saved ones.

    Raises:
        ValueError: Something is missing, malformed, of another model's shape, not
            finite, or of another moment of the training.
    """
    source = name_of(checkpoint)
    fault = (
        _fault_of_progress(checkpoint)
        or _fault_of_optimizer(runner.optim_wrapper, checkpoint)
        or (
            None
            if own_settings
            else _fault_of_schedulers(runner.param_schedulers, checkpoint)
        )
    )
    if fault is not None:
        raise ValueError(
            f'training cannot resume from {source}: {fault}; resume from another '
            f'checkpoint, or start a new training with --cfg-options load_from={source}'
        )


def _fault_of_progress(checkpoint: dict) -> str | None:
    meta = checkpoint['meta']
    for key in ('epoch', 'iter'):
        if type(meta.get(key)) is not int or meta[key] < 0:
            return f'its meta.{key} is {shown(meta.get(key))}, not a number of steps'
        found = checkpoint.get('progress', meta)
        if not isinstance(found, dict) or found.get(key) != meta[key]:
            return f'its meta.{key} is {meta[key]}, and its resume file says otherwise'
    seed = meta.get('seed', 0)
    if not isinstance(seed, numbers.Integral) or not 0 <= seed < 2**32:
        return f'its meta.seed is {shown(seed)}, not a seed'
    hub = checkpoint.get('message_hub')
    parts = ('log_scalars', 'runtime_info', 'resumed_keys')
    if not isinstance(hub, dict) or not all(
        isinstance(hub.get(key), dict) for key in parts
    ):
        return 'it has no message hub'
    for key, value in hub['runtime_info'].items():
        if not _is_info(str(key), value):
            return f'its message hub has {key}={shown(value)}'
    return None


def _is_info(key: str, value: Any) -> bool:
    """Whether the hook of checkpoints can take a value that it wrote itself."""
    if key.startswith(('last_ckpt', 'best_ckpt')):
        # a better one is written in its place: no folder may be removed
        return value is None or (type(value) is str and value.endswith('.pth'))
    if key.startswith('best_score'):
        return isinstance(value, numbers.Real | Tensor) and math.isfinite(value)
    if key == 'keep_ckpt_ids':
        return type(value) is list and all(type(one) is int for one in value)
    return True


def _fault_of_optimizer(wrapper: Any, checkpoint: dict) -> str | None:
    saved = checkpoint.get('optimizer')
    if saved is None:
        return 'it has no state of the optimiser'
    if not isinstance(wrapper, OptimWrapper):
        return None  # several optimisers
    if not isinstance(saved, dict) or not isinstance(saved.get('state'), dict):
        return 'its state of the optimiser is malformed'
    groups = saved.get('param_groups')
    if not isinstance(groups, list) or not all(
        isinstance(group, dict) and isinstance(group.get('params'), list)
        for group in groups
    ):
        return 'its state of the optimiser is malformed'
    own = wrapper.optimizer.param_groups
    sizes = [len(group['params']) for group in groups]
    names = [key for group in groups for key in group['params']]
    if all(type(name) is str for name in names):
        # FSDP's: by name, for the whole weights
        shapes = {
            n: getattr(checkpoint['state_dict'].get(n), 'shape', None) for n in names
        }
    elif sizes != [len(group['params']) for group in own]:
        return f'its optimiser has groups of {sizes} weights, the model others'
    else:
        params = [param for group in own for param in group['params']]
        shapes = {name: param.shape for name, param in zip(names, params, strict=True)}
    for name, state in saved['state'].items():
        if not isinstance(state, dict) or name not in shapes:
            return 'its state of the optimiser is malformed'
        for key, value in state.items():
            if not isinstance(value, Tensor):
                if _may_be_no_tensor(key, value):
                    continue
                return f"the optimiser's {key} of weight {name} is no tensor"
            if key in _MOMENTS and shapes[name] not in (None, value.shape):
                return (
                    f"the optimiser's {key} of weight {name} has the shape "
                    f'{tuple(value.shape)}, the weight {tuple(shapes[name])}'
                )
            if not torch.isfinite(value).all():
                return f"the optimiser's {key} of weight {name} is not finite"
    if len(groups) != len(own):
        return (
            f'its optimiser has {len(groups)} groups of weights, the model {len(own)}'
        )
    for group, own_group in zip(groups, own, strict=True):
        if name := _not_finite(group, own_group):
            return f"the optimiser's {name} is not finite"
        if name := _unlike(group, own_group):
            return f"the optimiser's {name} is {shown(group.get(name))}"
        states = [saved['state'][n] for n in group['params'] if n in saved['state']]
        if len({frozenset(state) for state in states}) > 1:
            return 'its state of the optimiser is malformed: keys differ'
    rest = {k: v for k, v in wrapper.state_dict().items() if k not in _OWN_CHECKS}
    if name := _unlike(saved, rest):
        return f"its optimiser's {name} is malformed"
    # MMEngine logs the learning rate in it; the weight differs with shards
    base = saved.get('base_param_settings')
    if base is not None and not (isinstance(base, dict) and _is_number(base.get('lr'))):
        return "its optimiser's base_param_settings is malformed"
    return None


def _may_be_no_tensor(key: str, value: Any) -> bool:
    if key == 'momentum_buffer':
        return value is None  # of SGD without momentum
    return key not in _MOMENTS and (_is_number(value) or type(value) is bool)


def _fault_of_schedulers(schedulers: Any, checkpoint: dict) -> str | None:
    if not isinstance(schedulers, list):
        return None  # none, or of several optimisers
    saved = checkpoint.get('param_schedulers')
    if not isinstance(saved, list) or len(saved) != len(schedulers):
        return f'it has no state of {len(schedulers)} parameter schedulers'
    for scheduler, state in zip(schedulers, saved, strict=True):
        # what it holds becomes the scheduler's attributes
        own = scheduler.state_dict()
        if not isinstance(state, dict) or state.keys() != own.keys():
            return f'its state of a {type(scheduler).__name__} is malformed'
        if name := _unlike(state, own):
            return f'{name} of its {type(scheduler).__name__} is {shown(state[name])}'
        if name := _not_finite(state, own):
            return f'{name} of its {type(scheduler).__name__} is not finite'
    return None


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)


def _unlike(settings: dict, own: dict) -> str | None:
    """First name whose value is not of the kind of one's own."""
    for name, value in own.items():
        if not _is_like(settings.get(name), value):
            return name
    return None


def _is_like(value: Any, own: Any) -> bool:
    """Whether a value may take the place of one's own: ``None`` says nothing."""
    if type(own) is bool:
        return value is None or type(value) is bool
    if _is_number(own):
        return _is_number(value)
    if isinstance(own, str):
        return value == own
    if isinstance(own, dict):
        kinds = set(map(type, own.values()))
        return type(value) is type(own) and {*map(type, value.values())} <= kinds
    if isinstance(own, list | tuple):
        return isinstance(value, list | tuple) and (
            len(value) == len(own) and all(map(_is_like, value, own))
        )
    return True


def _not_finite(settings: dict, own: dict) -> str | None:
    """First name whose value is, or has in a list, a number that is not finite.

    A schedule's best value so far is infinite until there is one.
    """
    for name, value in settings.items():
        values = value if isinstance(value, list | tuple) else [value]
        if any(
            isinstance(one, float) and not math.isfinite(one) and one != own.get(name)
            for one in values
        ):
            return str(name)
    return None


def use_own_settings(runner: Runner, checkpoint: dict) -> None:
    """Resume with the config's settings of optimiser and schedule.

    The runner's schedulers are stepped to the checkpoint's epoch and iteration; their
    state and the optimiser's settings are put into the checkpoint, which keeps its
    moments.

    Args:
        runner: The runner that resumes, with optimiser and schedulers built.
        checkpoint: A checkpoint that passed :func:`check_resume_state`; changed in
            place.

    Raises:
        ValueError: A schedule depends on validation results.
    """
    schedulers = runner.param_schedulers or []
    if not isinstance(runner.optim_wrapper, OptimWrapper) or any(
        getattr(scheduler, 'need_val_args', False) for scheduler in schedulers
    ):
        raise ValueError(
            '--resume-settings config: a schedule that depends on validation results '
            'or is of several optimisers can go on with the settings of the checkpoint '
            'alone'
        )
    epochs, iterations = checkpoint['meta']['epoch'], checkpoint['meta']['iter']
    with warnings.catch_warnings():
        # they miss the optimiser's steps
        warnings.simplefilter('ignore')
        for epoch in range(max(epochs, 1)):
            for _ in range(_share(iterations, epoch, max(epochs, 1))):
                for scheduler in schedulers:
                    if not scheduler.by_epoch:
                        scheduler.step()
            for scheduler in schedulers:
                if scheduler.by_epoch and epoch < epochs:
                    scheduler.step()
    own = runner.optim_wrapper.state_dict()
    saved = checkpoint['optimizer']
    saved['param_groups'] = [
        {**group, 'params': old['params']}
        for group, old in zip(own['param_groups'], saved['param_groups'], strict=True)
    ]
    saved.pop('base_param_settings', None)
    if 'base_param_settings' in own:
        saved['base_param_settings'] = own['base_param_settings']
    if schedulers:
        checkpoint['param_schedulers'] = [s.state_dict() for s in schedulers]


def _share(total: int, part: int, parts: int) -> int:
    return total * (part + 1) // parts - total * part // parts
