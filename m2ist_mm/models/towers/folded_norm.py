"""Frozen BatchNorm as part of the convolution before it."""

from itertools import pairwise

from torch import Tensor, nn


def fold_frozen_norms(module: nn.Module) -> None:
    """Let convolutions compute the frozen BatchNorm that follows them, in place.

    ``BN(W x) = (s W) x + (b - s m)`` with ``s = γ / √(v + ε)``: identical up to
    floating-point rounding, without the norm's pass over the map and, in tuned towers,
    its copy of it. Weights keep their names and values and are scaled in every forward,
    so that they can be loaded and tuned as usual. (mmengine's
    ``efficient_conv_bn_eval`` runs a traced ``forward``, in which hooks on the stages,
    that is taps, do not fire.)

    Args:
        module: A module, possibly nested, whose children run in the order in which they
            are registered, as in mmdet's ResNets.

    Raises:
        ValueError: A BatchNorm's parameters are tuned. If it computes statistics of the
            batch, the forward raises.
    """
    for parent in module.modules():
        for (_, conv), (name, norm) in pairwise(parent.named_children()):
            if not isinstance(norm, nn.BatchNorm2d) or not isinstance(conv, nn.Conv2d):
                continue
            if any(parameter.requires_grad for parameter in norm.parameters()):
                raise ValueError(
                    f'{type(parent).__name__}.{name} is tuned and cannot be folded '
                    "into the convolution before it: set norm_cfg=dict(type='BN', "
                    'requires_grad=False)'
                )
            conv.__class__, norm.__class__ = _FoldingConv2d, _FoldedBatchNorm2d
            # in a tuple, lest it be registered a second time
            conv.folded = (norm,)


class _FoldingConv2d(nn.Conv2d):
    def forward(self, inputs: Tensor) -> Tensor:
        (norm,) = self.folded
        scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
        bias = norm.bias - norm.running_mean * scale
        if self.bias is not None:
            bias = bias + self.bias * scale
        return self._conv_forward(inputs, self.weight * scale.view(-1, 1, 1, 1), bias)


class _FoldedBatchNorm2d(nn.BatchNorm2d):
    def forward(self, inputs: Tensor) -> Tensor:
        if self.training:
            raise RuntimeError(
                'a BatchNorm that is folded into a convolution is in training mode: '
                'set norm_eval=True in the backbone, or fold_norms=False in the tower'
            )
        return inputs
