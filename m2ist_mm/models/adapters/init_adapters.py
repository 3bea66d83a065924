"""Initial weights of adapters."""

import math

from torch import nn


def init_adapters(adapters: nn.Module, init: str = 'zero') -> None:
    """Initialise the weights of adapters.

    Args:
        adapters: A module that contains adapters; the names of their up projections end
            in ``up``.
        init: ``'zero'``: Kaiming-uniform matrices, but zero up projections and biases,
            so that every output starts at zero; ``'uniform'``: Kaiming-uniform matrices
            and biases from U(0, 1).
    """
    for name, module in adapters.named_modules():
        if not isinstance(module, nn.Linear):
            continue
        nn.init.kaiming_uniform_(module.weight, a=math.sqrt(5))
        if init == 'uniform':
            nn.init.uniform_(module.bias)
            continue
        if module.bias is not None:
            nn.init.zeros_(module.bias)
        if name.endswith('up'):
            nn.init.zeros_(module.weight)
