"""The part of a model's state that is tuned, and the towers it was tuned for."""

import logging
from collections import OrderedDict

from mmengine.logging import print_log
from mmengine.model import BaseTTAModel, is_model_wrapper
from torch import Tensor, nn

from .identity import frozen_parts, tower_identity
from .resumable_checkpoint import name_of
from .state_checks import find_misfits, shorten, tell_misfits


def unwrap(model: nn.Module) -> nn.Module:
    """The model inside data-parallel and test-time-augmentation wrappers."""
    while is_model_wrapper(model) or isinstance(model, BaseTTAModel):
        model = model.module
    return model


def frozen_state_keys(model: nn.Module) -> set[str]:
    """Names of frozen weights in ``model.state_dict()``: checkpoints lack them."""
    return {
        _join(prefix, key)
        for prefix, part in frozen_parts(model).items()
        for key in part.frozen_state_keys()
    }


def renamed_state_keys(model: nn.Module) -> dict[str, str]:
    """Map original tower weight names to those in ``model.state_dict()``."""
    return {
        _join(prefix, old): _join(prefix, new)
        for prefix, part in frozen_parts(model).items()
        for old, new in part.renamed_state_keys().items()
    }


def fit_checkpoint(model: nn.Module, checkpoint: dict, partial: bool = False) -> None:
    """Complete a checkpoint's state for a model with towers, or say what is wrong.

    The weights of frozen towers that the checkpoint leaves out are filled in from the
    model, if its towers are those that the checkpoint names. If a checkpoint contains
    the weights of the towers, they are loaded, and no names are needed. Models without
    towers are unchanged.

    Args:
        model: The model that the checkpoint is about to be loaded into.
        checkpoint: A loaded checkpoint, or a bare state dict; changed in place, its
            state is under ``'state_dict'`` after the call.
        partial: Whether tuned weights may be missing (they keep their initial values,
            one warning says which), as when a training starts from another's weights.

    Raises:
        ValueError: It was made on other towers, or does not fit the model.
    """
    model = unwrap(model)
    if not frozen_parts(model):
        return
    source = name_of(checkpoint)
    if 'state_dict' not in checkpoint:
        state = dict(checkpoint)
        checkpoint.clear()
        checkpoint['state_dict'] = state
    loaded = checkpoint['state_dict']
    state = OrderedDict(
        (name.removeprefix('module.'), value) for name, value in loaded.items()
    )
    state._metadata = getattr(loaded, '_metadata', OrderedDict())
    for name, new in renamed_state_keys(model).items():
        if name in state:
            state[new] = state.pop(name)
    own = model.state_dict()
    _check_towers(
        model,
        checkpoint.get('meta', {}).get('towers'),
        missing=own.keys() - state.keys(),
        source=source,
    )
    for name in frozen_state_keys(model) - state.keys():
        state[name] = own[name]
    _check_names_and_shapes(own, state, partial, source)
    checkpoint['state_dict'] = state


def _check_towers(
    model: nn.Module,
    wanted: dict[str, dict[str, str]] | None,
    missing: set[str],
    source: str,
) -> None:
    """Compare the towers whose weights are missing with those that are wanted."""
    if wanted is None:
        if missing & frozen_state_keys(model):
            print_log(
                f'{source} holds neither the weights nor the identity of its frozen '
                'towers: whether it was made on those of this config is not known.',
                logger='current',
                level=logging.WARNING,
            )
        return
    incomplete = {
        prefix.rpartition('.')[2]
        for prefix in frozen_parts(model)
        if any(name.startswith(f'{prefix}.') for name in missing)
    }
    if not incomplete:
        return  # the checkpoint brings the towers along
    found = tower_identity(model)
    faults = [
        f'{tower} tower: made on {_describe(wanted.get(tower))}, but the config has '
        f'{_describe(found.get(tower))}'
        for tower in sorted(incomplete)
        if _sha256(wanted.get(tower)) != _sha256(found.get(tower))
    ]
    if faults:
        raise ValueError(
            f'{source} was made on other towers. '
            + '; '.join(faults)
            + '. Point the config at the weights it was made on: --cfg-options '
            'model.backbone.vision.weights=FILE model.backbone.language.weights=FOLDER'
        )


def _sha256(identity: dict[str, str] | None) -> str | None:
    return None if identity is None else identity['sha256']


def _describe(identity: dict[str, str] | None) -> str:
    if identity is None:
        return 'one that is random or tuned'
    return f'{identity["name"]!r} (sha256 {identity["sha256"]})'


def _check_names_and_shapes(
    own: dict[str, Tensor], state: dict[str, Tensor], partial: bool, source: str
) -> None:
    misfits = find_misfits(own, state)
    # as MMEngine does: BatchNorm's counters are missing in old checkpoints
    missing = misfits['missing'] = [
        name for name in misfits['missing'] if not name.endswith('num_batches_tracked')
    ]
    if partial and missing:
        print_log(
            f'Not in {source}, start anew: {len(missing)} weights '
            f'({shorten(missing)}).',
            logger='current',
            level=logging.WARNING,
        )
    if partial:
        del misfits['missing']
    if fault := tell_misfits(misfits):
        raise ValueError(
            f'{source} does not fit the model: {fault}. Use the config it was trained '
            'with (its meta.cfg); checkpoints of the original TransVG are converted by '
            'tools/model_converters/transvg_to_m2ist.py'
        )


def _join(prefix: str, key: str) -> str:
    return f'{prefix}.{key}' if prefix else key
