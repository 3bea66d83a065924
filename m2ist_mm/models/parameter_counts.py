"""Counting trainable parameters."""

from collections.abc import Iterable

from torch import nn

from .towers import FrozenPart


def parameter_counts(model: nn.Module) -> dict[str, int | float]:
    """Count the parameters of a side-tuned model by their role.

    Args:
        model: A ``SideTunedGrounder``, or any module with towers in it and optional
            ``neck`` and ``bbox_head``.

    Returns:
        ``tower_params`` (the towers' own), ``tuned_tower_params`` (those of them that
        get a gradient), ``adapter_params`` (the neck's and what a tuner adds to the
        towers), ``adapter_ratio`` (adapter / tower, 5 digits), ``head_params``,
        ``trained_params`` (all that get a gradient) and ``total_params``.
    """
    parts = [module for module in model.modules() if isinstance(module, FrozenPart)]
    towers = [parameter for part in parts for _, parameter in part.own_parameters()]
    tower_params = _count(towers)
    adapters = _count(_parameters(model, 'backbone')) - tower_params
    adapters += _count(_parameters(model, 'neck'))
    return dict(
        tower_params=tower_params,
        tuned_tower_params=_count(towers, trained_only=True),
        adapter_params=adapters,
        adapter_ratio=round(adapters / tower_params, 5),
        head_params=_count(_parameters(model, 'bbox_head')),
        trained_params=_count(model.parameters(), trained_only=True),
        total_params=_count(model.parameters()),
    )


def _parameters(model: nn.Module, part: str) -> Iterable[nn.Parameter]:
    module = getattr(model, part, None)
    return [] if module is None else module.parameters()


def _count(parameters: Iterable[nn.Parameter], trained_only: bool = False) -> int:
    return sum(
        parameter.numel()
        for parameter in parameters
        if parameter.requires_grad or not trained_only
    )
