"""Checks the state that a training needs to resume from a checkpoint."""

import math
import warnings
from typing import Any

import torch
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner
from torch import Tensor

from .resumable_checkpoint import name_of

# what optimisers keep for each weight in the weight's shape
_MOMENTS = ('exp_avg', 'exp_avg_sq', 'max_exp_avg_sq', 'momentum_buffer')


def check_resume_state(runner: Runner, checkpoint: dict) -> None:
    """Check that a checkpoint holds the whole state of a training like the runner's.

    Args:
        runner: The runner that resumes, with optimiser and schedulers built.
        checkpoint: A loaded checkpoint with its resume file's content.

    Raises:
        ValueError: Something is missing, malformed, of another model's shape, not
            finite, or of another moment of the training.
    """
    source = name_of(checkpoint)
    fault = (
        _fault_of_progress(checkpoint)
        or _fault_of_optimizer(runner.optim_wrapper, checkpoint)
        or _fault_of_schedulers(runner.param_schedulers, checkpoint)
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
            return f'its meta.{key} is {meta.get(key)!r}, not a number of steps'
        found = checkpoint.get('progress', meta)
        if not isinstance(found, dict) or found.get(key) != meta[key]:
            return f'its meta.{key} is {meta[key]}, and its resume file says otherwise'
    hub = checkpoint.get('message_hub')
    parts = ('log_scalars', 'runtime_info', 'resumed_keys')
    if not isinstance(hub, dict) or not all(
        isinstance(hub.get(key), dict) for key in parts
    ):
        return 'it has no message hub'
    return None


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
    for group in groups:
        if name := _not_finite(group):
            return f"the optimiser's {name} is not finite"
        states = [saved['state'][n] for n in group['params'] if n in saved['state']]
        if len({frozenset(state) for state in states}) > 1:
            return 'its state of the optimiser is malformed: keys differ'
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
        if (
            not isinstance(state, dict)
            or state.keys() != own.keys()
            or any(_is_number(v) and not _is_number(state[k]) for k, v in own.items())
        ):
            return f'its state of a {type(scheduler).__name__} is malformed'
        if name := _not_finite(state):
            return f'{name} of its {type(scheduler).__name__} is not finite'
    return None


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)


def _not_finite(settings: dict) -> str | None:
    """First name whose value is, or has in a list, a number that is not finite."""
    for name, value in settings.items():
        values = value if isinstance(value, list | tuple) else [value]
        if any(isinstance(one, float) and not math.isfinite(one) for one in values):
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
