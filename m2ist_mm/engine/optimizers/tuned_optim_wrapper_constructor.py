"""Parameter groups of what is tuned, and of nothing else."""

import logging

from mmdet.registry import OPTIM_WRAPPER_CONSTRUCTORS
from mmengine.logging import MMLogger
from mmengine.optim import DefaultOptimWrapperConstructor
from torch import nn

from ...quiet_logger import quiet_logger


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class TunedOptimWrapperConstructor(DefaultOptimWrapperConstructor):
    """Gives the optimiser the parameters that get a gradient, in few groups.

    MMEngine's default constructor makes a group of every parameter and a log line of
    every frozen one (or, without ``paramwise_cfg``, hands the frozen ones over too).
    This one makes one group of each set of options, which also lets the optimiser
    update many tensors at once, and logs a line per group.

    Args:
        optim_wrapper_cfg: Config of the optimiser wrapper.
        paramwise_cfg: Options by parameter, as in MMEngine; learning rates of parts of
            the model by ``custom_keys``.
    """

    def __init__(
        self, optim_wrapper_cfg: dict, paramwise_cfg: dict | None = None
    ) -> None:
        # never empty, lest MMEngine take all parameters without asking add_params
        super().__init__(optim_wrapper_cfg, paramwise_cfg or dict(custom_keys={}))

    def add_params(
        self,
        params: list[dict],
        module: nn.Module,
        prefix: str = '',
        is_dcn_module: bool | None = None,
    ) -> None:
        """Append the parameter groups of a module.

        Args:
            params: List of groups, extended in place.
            module: The module; the whole model where ``prefix`` is empty.
            prefix: Name of the module in the model.
            is_dcn_module: As in MMEngine.

        Raises:
            ValueError: Nothing in the model gets a gradient.
        """
        if not any(p.requires_grad for p in module.parameters()):
            if prefix:
                return
            raise ValueError('nothing to train: no parameter of the model is tuned')
        if prefix:
            super().add_params(params, module, prefix, is_dcn_module)
            return
        single: list[dict] = []
        with quiet_logger(logging.ERROR):
            super().add_params(single, module, prefix, is_dcn_module)
        params += _merge(single)
        logger = MMLogger.get_current_instance()
        for group in params:
            options = {key: value for key, value in group.items() if key != 'params'}
            count = sum(p.numel() for p in group['params'])
            logger.info(
                f'optimiser: {len(group["params"])} tensors, {count:,} parameters: '
                f'{options or "default options"}'
            )


def _merge(groups: list[dict]) -> list[dict]:
    """Join groups of equal options.

    The group without own options comes first: its learning rate is the one logged.
    """
    merged: dict[tuple, dict] = {(): dict(params=[])}
    for group in groups:
        options = {key: value for key, value in group.items() if key != 'params'}
        same = merged.setdefault(
            tuple(sorted((key, repr(value)) for key, value in options.items())),
            dict(params=[], **options),
        )
        same['params'] += group['params']
    return [group for group in merged.values() if group['params']]
