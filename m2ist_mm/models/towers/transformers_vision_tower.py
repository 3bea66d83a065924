"""A vision transformer of transformers as a tower."""

import inspect
import logging

import torch.nn.functional as F
from mmdet.registry import MODELS
from mmengine.logging import print_log
from torch import Tensor

from ...structures import InputSpec, TowerFeatures
from .base_transformers_tower import BaseTransformersTower
from .pixel_statistics import read_pixel_statistics
from .vision_tower import VisionTower


@MODELS.register_module()
class TransformersVisionTower(BaseTransformersTower, VisionTower):
    """Plain ViT of the transformers library, see :class:`BaseTransformersTower`.

    ``arch.model_type`` is ``'dinov2'``, ``'dinov2_with_registers'``, ``'vit'``,
    ``'clip_vision_model'`` or ``'siglip_vision_model'``. The class token and register
    tokens take part inside the tower, as in pre-training, and are dropped from its
    output. The position embedding is interpolated to the input size.

    Mean and standard deviation are those that ``preprocessor_config.json`` of the
    weights states, or, without such a file, the architecture's.

    Padding (the mean colour, unless the config says another) passes through the tower
    like any pixel: these models were trained without a mask and most of them take none.
    The output is bit-identical to the bare model's on the padded image. From the V-L
    encoder on, the tokens of padding are masked.

    Args:
        kwargs: See :class:`BaseTransformersTower` and :class:`VisionTower`.

    Raises:
        ValueError: ``size`` is no multiple of the patch size, or
            ``preprocessor_config.json`` states no statistics.
    """

    def __init__(self, weights: str | None, **kwargs) -> None:
        super().__init__(weights=weights, **kwargs)
        self.stride = self.model.config.patch_size
        if any(side % self.stride for side in self.size):
            raise ValueError(
                f'size={self.size} is not made of whole patches of {self.stride} x '
                f'{self.stride} pixels: set the canvas to multiples of {self.stride}'
            )
        self._trained_with = InputSpec()
        if weights is not None:
            # with the revision that was loaded
            self._trained_with = read_pixel_statistics(self.weights)
            if self._trained_with.mean is None and self.known.mean is not None:
                print_log(
                    f'no preprocessor_config.json of {self.weights!r} was found: mean '
                    f'and std are those that are usual for {self.architecture!r}',
                    logger='current',
                    level=logging.WARNING,
                )

    @property
    def input_spec(self) -> InputSpec:
        """That of :class:`VisionTower`, with the pixel statistics of the weights."""
        return self._trained_with.join(super().input_spec)

    def forward(self, images: Tensor, padding_mask: Tensor) -> TowerFeatures:
        """Encode images.

        Args:
            images: Normalised images, zero in the padding, (B, 3, H, W); H and W are
                multiples of the patch size p, and need not be equal.
            padding_mask: (B, H, W) bool, true = padding.

        Returns:
            Tokens (B, N, C) of the N = H/p · W/p patches, row by row, without taps.
            A patch is padding if it shows no pixel of the image. ``inputs`` are the
            patch embeddings with their positions.
        """
        patch = self.stride
        # those without the argument always interpolate
        parameters = inspect.signature(self.model.forward).parameters
        known = 'interpolate_pos_encoding' in parameters
        output = self.model(
            pixel_values=images,
            output_hidden_states=True,
            return_dict=True,
            **(dict(interpolate_pos_encoding=True) if known else {}),
        )
        seen = F.max_pool2d((~padding_mask[:, None]).to(images.dtype), patch)
        grid = tuple(seen.shape[-2:])
        count = grid[0] * grid[1]
        # the class token and register tokens come first
        return TowerFeatures(
            tokens=output.last_hidden_state[:, -count:],
            mask=seen.flatten(1) == 0,
            inputs=output.hidden_states[0][:, -count:],
            grid=grid,
        )

    def align_tap(self, kind: str, tap: Tensor, output: TowerFeatures) -> Tensor:
        """Drop the class and register tokens."""
        return super().align_tap(kind, tap[:, -output.tokens.shape[1] :], output)
