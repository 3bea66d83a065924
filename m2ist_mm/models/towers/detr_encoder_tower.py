"""The vision tower of TransVG and M²IST: a backbone and a DETR encoder."""

from mmdet.models.layers import DetrTransformerEncoder, SinePositionalEncoding
from mmdet.registry import MODELS
from mmengine.model import xavier_init
from torch import Tensor, nn

from ...checkpoints import convert_detr
from ...structures import TowerFeatures
from .folded_norm import fold_frozen_norms
from .map_tower import MapTower
from .padding import map_padding


@MODELS.register_module()
class DETREncoderTower(MapTower):
    """mmdet backbone → 1×1 projection → DETR encoder (arXiv 2005.12872).

    Args:
        backbone: Config of an mmdet backbone with one output map.
        weights: A DETR, whose decoder and heads are left out: of mmdet (DETR or
            Conditional DETR) by path or URL, the original's
            (``detr-r50-e632da11.pth``), or of transformers by hub name or folder
            (``'facebook/detr-resnet-50'``); or this tower alone. ``None`` leaves the
            tower random.
        embed_dims: Width C of the encoder.
        num_layers: Number of encoder layers.
        num_heads: Number of attention heads.
        feedforward_channels: Hidden width of their FFNs.
        dropout: Dropout probability, where the tower is tuned.
        fold_norms: Whether convolutions compute the frozen BatchNorm behind them, see
            :func:`fold_frozen_norms`. Identical up to floating-point rounding.
        kwargs: See :class:`MapTower`.

    Raises:
        FileNotFoundError, ValueError: ``weights`` is missing or does not fit.
    """

    architecture = 'detr_encoder'

    def __init__(
        self,
        backbone: dict,
        weights: str | None = None,
        embed_dims: int = 256,
        num_layers: int = 6,
        num_heads: int = 8,
        feedforward_channels: int = 2048,
        dropout: float = 0.1,
        fold_norms: bool = False,
        **kwargs,
    ) -> None:
        super().__init__(weights=weights, **kwargs)
        self.backbone = MODELS.build(backbone)
        if fold_norms:
            fold_frozen_norms(self.backbone)
        self.encoder = DetrTransformerEncoder(
            num_layers=num_layers,
            layer_cfg=dict(
                self_attn_cfg=dict(
                    embed_dims=embed_dims,
                    num_heads=num_heads,
                    attn_drop=dropout,
                    dropout_layer=dict(type='Dropout', drop_prob=dropout),
                    batch_first=True,
                ),
                ffn_cfg=dict(
                    embed_dims=embed_dims,
                    feedforward_channels=feedforward_channels,
                    ffn_drop=dropout,
                ),
            ),
        )
        self.embed_dims = embed_dims
        *_, (in_channels, self.stride) = self.probe(self.backbone)
        self.input_proj = nn.Conv2d(in_channels, embed_dims, kernel_size=1)
        self.positional_encoding = SinePositionalEncoding(
            embed_dims // 2, normalize=True
        )
        self.load('Take the checkpoint of a DETR', convert_detr)

    def init_random_weights(self) -> None:
        """Initialise the tower as DETR does before its training."""
        self.backbone.init_weights()
        for parameter in self.encoder.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)
        xavier_init(self.input_proj, distribution='uniform')

    def layer_spec(self) -> dict:
        """See :meth:`Tower.layer_spec`."""
        layer = self.encoder.layers[0]
        return dict(
            num_layers=len(self.encoder.layers),
            num_heads=layer.self_attn.num_heads,
            feedforward_channels=layer.ffn.feedforward_channels,
            activation='relu',
        )

    def forward(self, images: Tensor, padding_mask: Tensor) -> TowerFeatures:
        """Encode images.

        Args:
            images: Normalised images, (B, 3, H, W).
            padding_mask: (B, H, W) bool, true = padding.

        Returns:
            Tokens (B, h·w, C) of the backbone's h × w map, row by row, without taps.
        """
        feature_map = self.input_proj(self.backbone(images)[-1])
        grid = tuple(feature_map.shape[-2:])
        mask = map_padding(padding_mask, grid)
        position = self.positional_encoding(mask)
        tokens = feature_map.flatten(2).transpose(1, 2)
        mask = mask.flatten(1)
        memory = self.encoder(
            query=tokens,
            query_pos=position.flatten(2).transpose(1, 2).to(tokens.dtype),
            key_padding_mask=mask,
        )
        return TowerFeatures(tokens=memory, mask=mask, inputs=tokens, grid=grid)
