"""The text side of a grounder and its head as one graph: token ids → boxes."""

import torch
from torch import Tensor, nn

from ..models.grounders import SideTunedGrounder
from ..structures import Features, TowerFeatures


class TextSide(nn.Module):
    """Language tower, language side network, V-L encoder and head.

    Args:
        model: The grounder.
    """

    inputs = ('image_tokens', 'image_positions', 'input_ids', 'attention_mask')
    outputs = ('boxes',)

    def __init__(self, model: SideTunedGrounder) -> None:
        super().__init__()
        self.model = model

    def forward(
        self,
        image_tokens: Tensor,
        image_positions: Tensor,
        input_ids: Tensor,
        attention_mask: Tensor,
    ) -> Tensor:
        """Ask expressions of one image.

        Args:
            image_tokens: Tokens of :class:`ImageSide`, (1, n, C_v). Those that are
                padding may be left out, which saves their time: n is at most N.
            image_positions: Which of the N tokens they are, (1, n) int64.
            input_ids: (E, L) int64.
            attention_mask: (E, L) int64, 1 = token; padding is on the right.

        Returns:
            Boxes (E, 4) ``cxcywh`` in [0, 1], relative to the canvas.
        """
        vision = TowerFeatures(
            image_tokens,
            mask=torch.zeros_like(image_positions, dtype=torch.bool),
        )
        language = self.model.encode_text(input_ids, attention_mask)
        index = torch.zeros_like(input_ids[:, 0])
        return self.model.ground(Features(vision, language, index, image_positions))
