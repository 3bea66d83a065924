"""The vision-language encoder that joins both modalities."""

from mmcv.cnn.bricks.transformer import FFN
from mmengine.model import BaseModule, ModuleList
from torch import Tensor, nn


class VLEncoderLayer(BaseModule):
    """Post-norm encoder layer of DETR (arXiv 2005.12872) for a part of its queries.

    mmdet's layer computes an output for every token and its attention maps are kept;
    here the queries may be fewer than the tokens and the attention is the fused one.

    Args:
        embed_dims: Channels C of the tokens.
        num_heads: Number of attention heads.
        feedforward_channels: Hidden width of the FFN.
        dropout: Dropout probability of attention, FFN and residuals.
    """

    def __init__(
        self,
        embed_dims: int,
        num_heads: int,
        feedforward_channels: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.self_attn = nn.MultiheadAttention(
            embed_dims, num_heads, dropout=dropout, batch_first=True
        )
        self.dropout = nn.Dropout(dropout)
        self.norm1 = nn.LayerNorm(embed_dims)
        self.ffn = FFN(embed_dims, feedforward_channels, ffn_drop=dropout)
        self.norm2 = nn.LayerNorm(embed_dims)

    def forward(
        self,
        tokens: Tensor,
        position: Tensor,
        mask: Tensor,
        num_queries: int,
        with_attention: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Update the first tokens.

        Args:
            tokens: (B, N, C).
            position: Position embedding, added to queries and keys, (1 or B, N, C).
            mask: (B, N) bool, true = padding, attended by none.
            num_queries: How many tokens, from the first, are computed.
            with_attention: Whether the attention maps are returned.

        Returns:
            The updated tokens (B, ``num_queries``, C) and, if asked for, the attention
            of each query to the tokens, a mean over heads, (B, ``num_queries``, N).
        """
        keys = tokens + position
        attended, attention = self.self_attn(
            keys[:, :num_queries],
            keys,
            tokens,
            key_padding_mask=mask,
            need_weights=with_attention,
        )
        queries = self.norm1(tokens[:, :num_queries] + self.dropout(attended))
        return self.norm2(self.ffn(queries)), attention


class VLEncoder(BaseModule):
    """Stack of :class:`VLEncoderLayer`; the last computes the first token alone.

    Nothing but the first (REG) token leaves the encoder, so this is exact.

    Args:
        num_layers: Number of layers.
        layer: Arguments of :class:`VLEncoderLayer`.
    """

    def __init__(self, num_layers: int, layer: dict) -> None:
        super().__init__()
        self.layers = ModuleList(VLEncoderLayer(**layer) for _ in range(num_layers))

    def init_weights(self) -> None:
        """Xavier-uniform matrices, as DETR and TransVG have them."""
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)

    def forward(
        self,
        tokens: Tensor,
        position: Tensor,
        mask: Tensor,
        with_attention: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Encode the tokens and return the first one.

        Args:
            tokens: (B, N, C), the REG token first.
            position: (1 or B, N, C).
            mask: (B, N) bool, true = padding; false for the REG token.
            with_attention: Whether the last layer's attention is returned.

        Returns:
            The REG token (B, C) and, if asked for, its attention to the tokens in the
            last layer, a mean over heads, (B, N).
        """
        *first, last = self.layers
        for layer in first:
            tokens, _ = layer(tokens, position, mask, tokens.shape[1])
        reg, attention = last(tokens, position, mask, 1, with_attention)
        return reg[:, 0], attention[:, 0] if with_attention else None
