"""The vision-language encoder that joins both modalities."""

import torch
import torch.nn.functional as F
from mmcv.cnn.bricks.transformer import FFN
from mmengine.model import BaseModule, ModuleList
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from .cpu_kernels import BitDropout, ReLUDropout, dropped_attention


class VLEncoderLayer(BaseModule):
    """Post-norm encoder layer of DETR (arXiv 2005.12872) for a part of its queries.

    mmdet's layer computes an output for every token and saves its attention maps. Here
    the queries may be fewer than the tokens, the attention is fused, and the FFN saves
    one tensor of hidden activations instead of three.

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
        self.dropout = BitDropout(dropout)
        self.norm1 = nn.LayerNorm(embed_dims)
        self.ffn = FFN(embed_dims, feedforward_channels, ffn_drop=dropout)
        hidden = self.ffn.layers[0]
        hidden[1], hidden[2] = ReLUDropout(dropout), nn.Identity()
        self.ffn.layers[2] = BitDropout(dropout)
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
        attended, attention = self._attend(
            tokens, tokens + position, mask, num_queries, with_attention
        )
        queries = self.norm1(tokens[:, :num_queries] + self.dropout(attended))
        return self.norm2(self.ffn(queries)), attention

    def _attend(
        self,
        tokens: Tensor,
        keys: Tensor,
        mask: Tensor,
        num_queries: int,
        with_attention: bool,
    ) -> tuple[Tensor, Tensor | None]:
        """Attention with the weights of ``self_attn``; arguments as of forward."""
        attn = self.self_attn
        query, key, value = self._by_head(keys[:, :num_queries], keys, tokens)
        if query.device.type == 'cpu' and query.dtype == torch.bfloat16:
            # the fused attention's backward takes half the time in float32 there
            query, key, value = query.float(), key.float(), value.float()
        visible = ~mask[:, None, None]
        dropout = attn.dropout if self.training else 0.0
        attention = None
        with torch.autocast(query.device.type, enabled=False):
            if with_attention:
                attention = _weights(query, key, visible)
                attended = F.dropout(attention, dropout) @ value
                attention = attention.mean(1)
            elif dropout and query.device.type == 'cpu':
                attended = dropped_attention(query, key, value, visible, dropout)
            else:
                attended = F.scaled_dot_product_attention(
                    query, key, value, visible, dropout
                )
        return attn.out_proj(attended.transpose(1, 2).flatten(2)), attention

    @torch.no_grad()
    def attention(
        self, tokens: Tensor, position: Tensor, mask: Tensor, num_queries: int
    ) -> Tensor:
        """Attention weights of the first tokens, which the fused attention never has.

        Args:
            tokens, position, mask, num_queries: See :meth:`forward`.

        Returns:
            (B, heads, ``num_queries``, N) float32, without graph and dropout; each row
            sums to 1.
        """
        keys = tokens + position
        query, key = self._by_head(keys[:, :num_queries], keys)
        with torch.autocast(query.device.type, enabled=False):
            return _weights(query.float(), key.float(), ~mask[:, None, None])

    def _by_head(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Project queries, keys and values (B, n, C) to (B, heads, n, C / heads)."""
        attn = self.self_attn
        return tuple(
            F.linear(one, weight, bias)
            .unflatten(-1, (attn.num_heads, -1))
            .transpose(1, 2)
            for one, weight, bias in zip(
                inputs,
                attn.in_proj_weight.chunk(3),
                attn.in_proj_bias.chunk(3),
                strict=False,  # without values, for the weights alone
            )
        )


def _weights(query: Tensor, key: Tensor, visible: Tensor) -> Tensor:
    """Attention weights (B, heads, M, N) of queries (B, heads, M, D) and keys."""
    scores = query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5
    return scores.masked_fill(~visible, -torch.inf).softmax(-1)


class VLEncoder(BaseModule):
    """Stack of :class:`VLEncoderLayer`; the last computes the target tokens alone.

    Only the first K (target) tokens leave the encoder, so the result is the same.

    Args:
        num_layers: Number of layers.
        layer: Arguments of :class:`VLEncoderLayer`.
        num_targets: Number K of target tokens.
        recompute: Whether backward recomputes a layer instead of saving its
            activations: one more forward, a fraction of the memory, same gradients.
    """

    def __init__(
        self,
        num_layers: int,
        layer: dict,
        num_targets: int = 1,
        recompute: bool = False,
    ) -> None:
        super().__init__()
        self.num_targets = num_targets
        self.recompute = recompute
        self.layers = ModuleList(VLEncoderLayer(**layer) for _ in range(num_layers))

    def init_weights(self) -> None:
        """Initialise matrices Xavier-uniformly, as DETR and TransVG do."""
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)

    def forward(
        self,
        tokens: Tensor,
        position: Tensor,
        mask: Tensor,
        with_attention: bool = False,
    ) -> tuple[Tensor, Tensor | None, Tensor]:
        """Encode the tokens and return the target tokens.

        Args:
            tokens: (B, N, C), the K target tokens first.
            position: (1 or B, N, C).
            mask: (B, N) bool, true = padding; false for the target tokens.
            with_attention: Whether the last layer's attention is returned.

        Returns:
            The target tokens (B, K, C); if asked for, their attention to the tokens in
            the last layer, a mean over heads, (B, K, N); and all tokens as they enter
            the last layer, (B, N, C).
        """
        *first, last = self.layers
        num_tokens = tokens.shape[1]
        for layer in first:
            if self.recompute and torch.is_grad_enabled():
                tokens, _ = checkpoint(
                    layer, tokens, position, mask, num_tokens, use_reentrant=False
                )
            else:
                tokens, _ = layer(tokens, position, mask, num_tokens)
        targets, attention = last(
            tokens, position, mask, self.num_targets, with_attention
        )
        return targets, attention, tokens
