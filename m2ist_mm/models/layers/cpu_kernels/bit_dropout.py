"""CPU dropout that stores its mask as one bit per element."""

import torch
from torch import Tensor, nn

from .kept_mask import draw_kept, dropped_rate, pack_bits, unpack_bits


class BitDropout(nn.Dropout):
    """Dropout, fast on a CPU, see :mod:`.kept_mask`; torch's own on other devices.

    Args:
        p: Dropout probability.
    """

    def forward(self, inputs: Tensor) -> Tensor:
        """Of any shape; in evaluation mode the input itself."""
        if not self.training or not self.p or inputs.device.type != 'cpu':
            return super().forward(inputs)
        return _BitDropoutFunction.apply(inputs, self.p)


class _BitDropoutFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx, inputs: Tensor, p: float) -> Tensor:
        kept = draw_kept(inputs.shape, p)
        ctx.save_for_backward(pack_bits(kept))
        ctx.scale = 1 / (1 - dropped_rate(p))
        return kept.to(inputs.dtype).mul_(inputs).mul_(ctx.scale)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:
        kept = unpack_bits(*ctx.saved_tensors, grad.shape[-1])
        return kept.to(grad.dtype).mul_(grad).mul_(ctx.scale), None
