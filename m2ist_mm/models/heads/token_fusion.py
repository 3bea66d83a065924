"""Target tokens that look at both modalities."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import NamedTuple

import torch
import torch.nn.functional as F
from mmdet.models.layers import SinePositionalEncoding
from mmengine.model import BaseModule
from torch import Tensor, nn

from ...structures import Features, TowerFeatures
from ..layers import VLEncoder
from ..towers import Tower


class FusedTokens(NamedTuple):
    """What a V-L encoder makes of E expressions and their images.

    Attributes:
        targets: Target tokens, (E, K, C).
        attention: Their attention to the N positions of the grid in the last layer,
            averaged over heads, (E, K, N); ``None`` unless asked for.
        vision: Vision tokens as they enter the last layer: features with an image for
            each expression, (E, n, C), on the grid of the encoder.
        images: The projected tokens of the images, (I, N, C), on the tower's grid.
    """

    targets: Tensor
    attention: Tensor | None
    vision: Features
    images: Features


class TokenFusion(BaseModule):
    """Projections and V-L encoder with K target tokens (TransVG, arXiv 2104.08541 §3).

    Tokens ``[targets; text; vision]`` enter a transformer encoder, which returns the
    target tokens.

    Args:
        towers: The towers by name, ``'vision'`` and ``'language'``; given by the
            grounder. Widths and numbers of tokens follow from them.
        num_targets: Number K of target tokens.
        embed_dims: Width C of the V-L encoder.
        num_layers: Number of V-L encoder layers.
        num_heads: Number of attention heads.
        feedforward_channels: Hidden width of the FFNs.
        dropout: Dropout probability of the V-L encoder.
        recompute: Whether backward recomputes the V-L layers, to save memory.
        projection_norm: Whether a LayerNorm follows each projection (the paper: no).
        position_in_values: Whether the position embedding is also added to the tokens
            (the paper: to queries and keys alone). Its vision part is initialised with
            a 2-D sine encoding of the grid. Needed for towers whose tokens do not
            encode their absolute position, since a target can decode only what the
            attention's values contain.
        pool: Rows and columns of the tower's grid that are averaged to one vision token
            of the encoder, whose time and memory grow with the number of tokens.

    Attributes:
        grid: Rows and columns of the encoder's vision tokens.
        image_grid: Rows and columns of the tower's tokens.

    Raises:
        ValueError: ``pool`` does not divide the tower's grid.
    """

    def __init__(
        self,
        towers: dict[str, Tower],
        num_targets: int = 1,
        embed_dims: int = 256,
        num_layers: int = 6,
        num_heads: int = 8,
        feedforward_channels: int = 2048,
        dropout: float = 0.1,
        recompute: bool = False,
        projection_norm: bool = False,
        position_in_values: bool = False,
        pool: int = 1,
    ) -> None:
        super().__init__()
        vision, language = towers['vision'], towers['language']
        self.image_grid = vision.grid
        if pool < 1 or any(count % pool for count in vision.grid):
            raise ValueError(
                f'{type(self).__name__}: pool={pool} does not divide the vision '
                f"tower's grid of {vision.grid[0]} x {vision.grid[1]} tokens"
            )
        self.pool = pool
        self.grid = vision.grid[0] // pool, vision.grid[1] // pool
        self.max_tokens = language.input_spec.max_tokens
        self.num_targets = num_targets
        self.vision_proj = _projection(vision.embed_dims, embed_dims, projection_norm)
        self.language_proj = _projection(
            language.embed_dims, embed_dims, projection_norm
        )
        self.reg_token = nn.Embedding(num_targets, embed_dims)
        self.position_embedding = nn.Embedding(
            num_targets + self.max_tokens + self.grid[0] * self.grid[1], embed_dims
        )
        self.position_in_values = position_in_values
        self.encoder = VLEncoder(
            num_layers,
            dict(
                embed_dims=embed_dims,
                num_heads=num_heads,
                feedforward_channels=feedforward_channels,
                dropout=dropout,
            ),
            num_targets,
            recompute,
        )

    def init_weights(self) -> None:
        """Initialise the V-L encoder and, if in the values, the positions."""
        self.encoder.init_weights()
        if self.position_in_values:
            table = self.position_embedding.weight
            sine = SinePositionalEncoding(table.shape[1] // 2, normalize=True)
            encoded = sine(table.new_zeros(1, *self.grid)).flatten(2)[0].T
            table.data[-encoded.shape[0] :] = encoded

    def fuse(self, features: Features, with_attention: bool = False) -> FusedTokens:
        """Compute the target tokens of each expression and its image.

        Args:
            features: Tokens of I images and E expressions: at most ``max_tokens`` per
                expression; per image those of the tower's whole grid, or those at
                ``features.positions``.
            with_attention: Whether the attention is returned.

        Raises:
            ValueError: The number of tokens does not match the towers.
        """
        language = self.language_proj(features.language.tokens)
        num_text = language.shape[1]
        self._check(num_text, features)
        images = replace(
            features,
            vision=features.vision.replace(
                tokens=self.vision_proj(features.vision.tokens)
            ),
        )
        seen = self._for_encoder(images)
        index, places = seen.image_index, seen.positions
        vision, vision_mask = seen.vision.tokens[index], seen.vision.mask[index]
        num_places = self.grid[0] * self.grid[1]
        # position tables are looked up in their own type; autocast makes vision another
        targets = self.reg_token.weight.to(language.dtype)
        targets = targets.expand(language.shape[0], -1, -1)
        tokens = torch.cat([targets, language, vision], dim=1)
        mask = torch.cat(
            [
                torch.zeros_like(targets[:, :, 0], dtype=torch.bool),
                features.language.mask,
                vision_mask,
            ],
            dim=1,
        )
        table = self.position_embedding.weight.to(tokens.dtype)
        position = table[-num_places:].expand(tokens.shape[0], -1, -1)
        if places is not None:
            position = F.embedding(places, table[-num_places:])[index]
        before = table[: self.num_targets + num_text].expand(tokens.shape[0], -1, -1)
        position = torch.cat([before, position], dim=1)
        if self.position_in_values:
            tokens = tokens + position
        targets, attention, tokens = self.encoder(
            tokens, position, mask, with_attention
        )
        if attention is not None:
            attention = self._on_grid(attention, seen)
        vision = Features(
            TowerFeatures(tokens[:, self.num_targets + num_text :], vision_mask),
            features.language,
            torch.arange(tokens.shape[0], device=tokens.device),
            None if places is None else places[index],
        )
        return FusedTokens(targets, attention, vision, images)

    @contextmanager
    def recording_attention(self) -> Iterator[list[Tensor]]:
        """Record what the target tokens attend to, in every layer and head.

        For inference: prediction runs as without it, and the weights of the target
        tokens are computed once more, from the input of each layer.

        Yields:
            Gets, for each batch that is predicted in the context, its attention to the
            positions of the grid: (E, K, layers, heads, h, w) float32, 0 for padding.
            The rest, up to a sum of 1 per map, is attention to text and targets.
        """
        recorded, maps = [], []

        def record_layer(layer: nn.Module, inputs: tuple) -> None:
            maps.append(layer.attention(*inputs[:3], self.num_targets))

        def record_batch(head: nn.Module, inputs: tuple, output: Tensor) -> None:
            features = self._for_encoder(inputs[0])
            seen = torch.stack([self._on_grid(one, features) for one in maps], dim=1)
            maps.clear()
            # (E, layers, heads, K, N) to (E, K, layers, heads, h, w)
            recorded.append(seen.movedim(3, 1).unflatten(-1, self.grid))

        handles = [
            layer.register_forward_pre_hook(record_layer)
            for layer in self.encoder.layers
        ]
        handles.append(self.register_forward_hook(record_batch))
        try:
            yield recorded
        finally:
            for handle in handles:
                handle.remove()

    def _for_encoder(self, features: Features) -> Features:
        """Features whose vision tokens are those that the encoder gets."""
        if self.pool == 1:
            return features
        pooled = features.pooled(self.image_grid, self.pool)
        # an exported graph cannot have a number of tokens that depends on the data
        return pooled if torch.compiler.is_exporting() else pooled.without_padding()

    def _on_grid(self, attention: Tensor, features: Features) -> Tensor:
        """Attention (E, ..., all tokens) to the N positions of the grid, float32."""
        num_places = self.grid[0] * self.grid[1]
        before = self.num_targets + features.language.tokens.shape[1]
        seen = attention[..., before:].float()
        if features.positions is None:
            return seen
        places = features.positions[features.image_index]
        places = places.view(len(places), *[1] * (seen.dim() - 2), -1)
        grid = seen.new_zeros(*seen.shape[:-1], num_places)
        return grid.scatter(-1, places.expand_as(seen), seen)

    def _check(self, num_text: int, features: Features) -> None:
        height, width = self.image_grid
        num_vision = features.vision.tokens.shape[1]
        if num_text > self.max_tokens or (
            features.positions is None and num_vision != height * width
        ):
            raise ValueError(
                f'{type(self).__name__} was built for {height} x {width} vision tokens '
                f'and at most {self.max_tokens} text tokens, got {num_vision} and '
                f'{num_text}: the canvas and max_tokens of the towers say how many'
            )


def _projection(in_channels: int, out_channels: int, norm: bool) -> nn.Module:
    linear = nn.Linear(in_channels, out_channels)
    return nn.Sequential(linear, nn.LayerNorm(out_channels)) if norm else linear
