"""The vision tower of TransVG and M²IST: a backbone and a DETR encoder."""

from mmdet.models.layers import DetrTransformerEncoder, SinePositionalEncoding
from mmdet.registry import MODELS
from mmengine.model import BaseModule, xavier_init
from torch import Tensor, nn

from ...checkpoints import load_exactly, load_state_file
from ...structures import TowerFeatures
from .folded_norm import fold_frozen_norms
from .padding import map_padding


@MODELS.register_module()
class DETREncoderTower(BaseModule):
    """mmdet backbone → 1×1 projection → DETR encoder (arXiv 2005.12872).

    Args:
        backbone: Config of an mmdet backbone with one output map.
        in_channels: Channels of that map.
        encoder: Config of mmdet's ``DetrTransformerEncoder``.
        positional_encoding: Config of mmdet's ``SinePositionalEncoding``.
        weights: Checkpoint file of the whole tower, as
            ``tools/model_converters/detr_to_m2ist.py`` writes it; ``None`` leaves the
            tower random.

    Raises:
        FileNotFoundError, ValueError: ``weights`` is missing or does not fit.
    """

    def __init__(
        self,
        backbone: dict,
        in_channels: int,
        encoder: dict,
        positional_encoding: dict,
        weights: str | None = None,
        fold_norms: bool = False,
    ) -> None:
        super().__init__()
        self.backbone = MODELS.build(backbone)
        if fold_norms:
            fold_frozen_norms(self.backbone)
        self.encoder = DetrTransformerEncoder(**encoder)
        self.embed_dims = self.encoder.embed_dims
        self.input_proj = nn.Conv2d(in_channels, self.embed_dims, kernel_size=1)
        self.positional_encoding = SinePositionalEncoding(**positional_encoding)
        self.weights = weights
        if weights is None:
            return
        try:
            load_exactly(self, load_state_file(weights), repr(weights))
        except FileNotFoundError as error:
            raise FileNotFoundError(
                f'{error}: the weights of the vision tower. Make them from a DETR '
                'checkpoint with tools/model_converters/detr_to_m2ist.py, or ask for a '
                'random tower with --cfg-options model.backbone.vision.weights=None'
            ) from error

    def init_weights(self) -> None:
        """Initialise a random tower as DETR does before its training."""
        self.backbone.init_weights()
        for parameter in self.encoder.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)
        xavier_init(self.input_proj, distribution='uniform')

    def forward(self, images: Tensor, padding_mask: Tensor) -> TowerFeatures:
        """Encode images.

        Args:
            images: Normalised images, zero in the padding, (B, 3, H, W).
            padding_mask: (B, H, W) bool, true = padding.

        Returns:
            Tokens (B, h·w, C) of the backbone's h × w map, row by row, without taps.
        """
        feature_map = self.input_proj(self.backbone(images)[-1])
        mask = map_padding(padding_mask, feature_map.shape[-2:])
        position = self.positional_encoding(mask)
        tokens = feature_map.flatten(2).transpose(1, 2)
        mask = mask.flatten(1)
        memory = self.encoder(
            query=tokens,
            query_pos=position.flatten(2).transpose(1, 2).to(tokens.dtype),
            key_padding_mask=mask,
        )
        return TowerFeatures(tokens=memory, mask=mask, input_tokens=tokens)
