"""A vision transformer of transformers as a tower."""

import inspect

import torch.nn.functional as F
from mmdet.registry import MODELS
from torch import Tensor

from ...structures import TowerFeatures
from .base_transformers_tower import BaseTransformersTower


@MODELS.register_module()
class TransformersVisionTower(BaseTransformersTower):
    """Plain ViT of the transformers library, see :class:`BaseTransformersTower`.

    ``arch.model_type`` is ``'dinov2'``, ``'dinov2_with_registers'``, ``'vit'``,
    ``'clip_vision_model'`` or ``'siglip_vision_model'``. The class token and register
    tokens are dropped from what leaves the tower; inside they are as they were in
    pre-training. The position embedding is interpolated to the input size.

    Padding is zero (the mean colour) and goes through the tower like any image: these
    models were trained without a mask, most of them take none, and without one the
    tower gives bit for bit what the bare model gives on the padded image. From the
    V-L encoder on, the padding's tokens are masked.
    """

    modality = 'vision'

    def forward(self, images: Tensor, padding_mask: Tensor) -> TowerFeatures:
        """Encode images.

        Args:
            images: Normalised images, zero in the padding, (B, 3, H, W); H and W are
                multiples of the patch size p, and need not be equal.
            padding_mask: (B, H, W) bool, true = padding.

        Returns:
            Tokens (B, N, C) of the N = H/p · W/p patches, row by row, without taps.
            A patch is padding if no pixel of it is image. ``input_tokens`` are the
            patches' embeddings with their positions.

        Raises:
            ValueError: H or W is no multiple of the patch size.
        """
        patch = self.model.config.patch_size
        height, width = images.shape[-2:]
        if height % patch or width % patch:
            raise ValueError(
                f'an input of {height} x {width} pixels is not made of whole patches '
                f'of {patch} x {patch}: set the canvas of the pipeline (PadToCanvas) '
                f'to multiples of {patch}'
            )
        # those without the argument always interpolate
        parameters = inspect.signature(self.model.forward).parameters
        known = 'interpolate_pos_encoding' in parameters
        output = self.model(
            pixel_values=images,
            output_hidden_states=True,
            return_dict=True,
            **(dict(interpolate_pos_encoding=True) if known else {}),
        )
        image = F.max_pool2d((~padding_mask[:, None]).to(images.dtype), patch)
        mask = image.flatten(1) == 0
        return TowerFeatures(
            tokens=self.tap_tokens(output.last_hidden_state, mask.shape[1]),
            mask=mask,
            input_tokens=self.tap_tokens(output.hidden_states[0], mask.shape[1]),
        )

    def tap_tokens(self, tap: Tensor, num_tokens: int) -> Tensor:
        """Drop the class and register tokens, which come first, of a (B, ·, C) tap."""
        return tap[:, -num_tokens:]
