"""The image side of a grounder as one graph: pixels of a canvas → vision tokens."""

import torch
from torch import Tensor, nn

from ..models.grounders import SideTunedGrounder


class ImageSide(nn.Module):
    """Normalisation, padding, vision tower and vision side network.

    What differs between towers (mean, standard deviation, channel order, pad value) is
    part of the graph, so that who runs it has no more to do than place an image.

    Args:
        model: The grounder.
    """

    inputs = ('pixels', 'region')
    outputs = ('image_tokens', 'image_padding')

    def __init__(self, model: SideTunedGrounder) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixels: Tensor, region: Tensor) -> tuple[Tensor, Tensor]:
        """Encode one image.

        Args:
            pixels: Canvas (1, H, W, 3), uint8, RGB.
            region: Canvas pixels that show the image, ``xyxy``, (1, 4) int64.

        Returns:
            Vision tokens (1, N, C_v), and which are padding, (1, N) bool.
        """
        preprocessor = self.model.data_preprocessor
        height, width = preprocessor.input_spec.size
        rows = torch.arange(height)[None, :, None]
        columns = torch.arange(width)[None, None]
        left, top, right, bottom = region[:, :, None, None].unbind(1)
        padding = (columns < left) | (columns >= right) | (rows < top)
        padding = padding | (rows >= bottom)
        images = pixels.permute(0, 3, 1, 2).float()
        if preprocessor.input_spec.channel_order == 'bgr':
            images = images.flip(1)
        images = (images - preprocessor.mean) / preprocessor.std
        images = torch.where(padding[:, None], preprocessor.fill, images)
        features = self.model.encode_image(images, padding)
        return features.tokens, features.mask
