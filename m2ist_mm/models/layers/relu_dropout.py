"""ReLU and dropout that keep one tensor for backward."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ReLUDropout(nn.Dropout):
    """``dropout(relu(x))`` whose backward needs nothing but its own output.

    Where the output is positive the input was and was not dropped, so the output alone
    says where gradients pass. The two modules in turn keep their outputs and the mask
    as well; a linear layer behind them keeps this output anyhow.

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
        output = F.dropout(F.relu(inputs), p)
        ctx.save_for_backward(output)
        ctx.scale = 1 / (1 - p)
        return output

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:
        (output,) = ctx.saved_tensors
        return grad * (output > 0) * ctx.scale, None
