"""An mmdet backbone as a vision tower, with nothing behind it."""

import torch
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor

from ...checkpoints import load_exactly, load_state_file
from ...structures import TowerFeatures
from .padding import map_padding


@MODELS.register_module()
class BackboneTower(BaseModule):
    """mmdet backbone whose one output map is the tower's tokens.

    Taps must have the width and the size of that map, as the side networks' outputs are
    added to it: those of the stage that gives the map.

    Args:
        backbone: Config of an mmdet backbone with one output map (``out_indices``).
        embed_dims: Channels of that map.
        weights: Checkpoint file of an mmdet detector with this backbone, or of the
            tower; what belongs to neck and head is left out. ``None`` leaves the tower
            random.

    Raises:
        FileNotFoundError, ValueError: ``weights`` is missing or does not fit.
    """

    def __init__(
        self, backbone: dict, embed_dims: int, weights: str | None = None
    ) -> None:
        super().__init__()
        self.backbone = MODELS.build(backbone)
        self.embed_dims = embed_dims
        self.weights = weights
        if weights is None:
            return
        try:
            state = load_state_file(weights)
        except FileNotFoundError as error:
            raise FileNotFoundError(
                f'{error}: the weights of the vision tower. Take the checkpoint of an '
                'mmdet detector with this backbone, or ask for a random tower with '
                '--cfg-options model.backbone.vision.weights=None'
            ) from error
        own = self.state_dict()
        known = {name: value for name, value in state.items() if name in own}
        load_exactly(self, known, repr(weights))

    def init_weights(self) -> None:
        """Initialise a random tower as the backbone says."""
        self.backbone.init_weights()

    def forward(self, images: Tensor, padding_mask: Tensor) -> TowerFeatures:
        """Encode images.

        Args:
            images: Normalised images, zero in the padding, (B, 3, H, W).
            padding_mask: (B, H, W) bool, true = padding.

        Returns:
            Tokens (B, h·w, C) of the backbone's h × w map, row by row, without taps.
            ``input_tokens`` are zero: no tokens of this width and number enter the
            backbone, so there are none to add.
        """
        feature_map = self.backbone(images)[-1]
        tokens = feature_map.flatten(2).transpose(1, 2)
        return TowerFeatures(
            tokens=tokens,
            mask=map_padding(padding_mask, feature_map.shape[-2:]).flatten(1),
            input_tokens=torch.zeros_like(tokens),
        )

    def tap_tokens(self, tap: Tensor, num_tokens: int) -> Tensor:
        """Read a tapped map (B, C, h, w) row by row; tokens (B, N, C) stay."""
        return tap.flatten(2).transpose(1, 2) if tap.dim() == 4 else tap
