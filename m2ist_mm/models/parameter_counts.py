"""Counting what is tuned."""

from torch import nn

from .backbones import SideTuningBackbone


def parameter_counts(model: nn.Module) -> dict[str, int | float]:
    """Count the parameters of a side-tuned model by their role.

    Args:
        model: A ``SideTunedGrounder``, or any module with a ``SideTuningBackbone`` in
            it and optional ``neck`` and ``bbox_head``.

    Returns:
        ``tower_params``, ``adapter_params`` (the neck's), ``adapter_ratio``
        (adapter / tower, 5 digits), ``head_params``, ``trained_params`` (those that get
        a gradient) and ``total_params``.
    """
    towers = sum(
        _count(module)
        for module in model.modules()
        if isinstance(module, SideTuningBackbone)
    )
    adapters = _count(getattr(model, 'neck', None))
    return dict(
        tower_params=towers,
        adapter_params=adapters,
        adapter_ratio=round(adapters / towers, 5),
        head_params=_count(getattr(model, 'bbox_head', None)),
        trained_params=_count(model, trained_only=True),
        total_params=_count(model),
    )


def _count(module: nn.Module | None, trained_only: bool = False) -> int:
    if module is None:
        return 0
    return sum(
        parameter.numel()
        for parameter in module.parameters()
        if parameter.requires_grad or not trained_only
    )
