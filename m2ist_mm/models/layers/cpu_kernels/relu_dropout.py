"""ReLU and dropout that save one tensor for backward."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .kept_mask import draw_kept, dropped_rate

_PART = 2**21


class ReLUDropout(nn.Dropout):
    """``dropout(relu(x))`` whose backward needs its output alone.

    The output is positive exactly where the input is positive and not dropped, so it
    determines where gradients pass. The two separate modules would save their outputs
    and the mask; the linear layer behind them saves this output in any case.

    Args:
        p: Dropout probability.
    """

    def forward(self, inputs: Tensor) -> Tensor:
        """Of any shape; in evaluation mode the ReLU alone."""
        if not self.training or not self.p:
            return F.relu(inputs)
        return _ReLUDropoutFunction.apply(inputs, self.p)


class _ReLUDropoutFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx, inputs: Tensor, p: float) -> Tensor:
        if inputs.device.type == 'cpu':
            ctx.scale = 1 / (1 - dropped_rate(p))
            output = torch.empty_like(inputs, memory_format=torch.contiguous_format)
            parts = zip(_parts(inputs.contiguous()), _parts(output), strict=True)
            for part, dropped in parts:
                kept = draw_kept(part.shape, p).to(part.dtype)
                torch.mul(part.relu().mul_(kept), ctx.scale, out=dropped)
        else:
            ctx.scale = 1 / (1 - p)
            output = F.dropout(F.relu(inputs), p)
        ctx.save_for_backward(output)
        return output

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:
        (output,) = ctx.saved_tensors
        passed = torch.ops.aten.threshold_backward(grad, output, 0)
        return passed.mul_(ctx.scale), None


def _parts(tensor: Tensor) -> tuple[Tensor, ...]:
    """Parts of a contiguous tensor that a processor's cache has room for."""
    return tensor.view(-1).split(_PART)
