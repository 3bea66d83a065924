"""A language encoder of transformers as a tower."""

import math

from mmdet.registry import MODELS
from torch import Tensor

from ...structures import InputSpec, TowerFeatures
from .base_transformers_tower import BaseTransformersTower
from .tower import Tower


@MODELS.register_module()
class TransformersTower(BaseTransformersTower, Tower):
    """Text encoder of the transformers library, see :class:`BaseTransformersTower`.

    BERT, RoBERTa, MiniLM (a BERT), CLIP's text encoder, and others that take token ids
    and an attention mask.

    Args:
        max_tokens: Most tokens of an expression, special tokens included; longer ones
            are truncated.
        tokenizer: Hub name, folder or ``'package:MODULE/FOLDER'`` of the tokenizer;
            that of ``weights`` unless given.
        kwargs: See :class:`BaseTransformersTower`.

    Raises:
        ValueError: ``max_tokens`` is more than the tower has positions for.
    """

    modality = 'language'

    def __init__(
        self,
        weights: str | None,
        arch: dict | None = None,
        max_tokens: int = 20,
        tokenizer: str | None = None,
        **kwargs,
    ) -> None:
        super().__init__(weights=weights, arch=arch, **kwargs)
        self.input_spec = InputSpec(
            tokenizer=tokenizer or weights, max_tokens=max_tokens
        )
        self.num_positions = getattr(
            self.model.config, 'max_position_embeddings', math.inf
        )
        if max_tokens > self.num_positions:
            raise ValueError(
                f'max_tokens={max_tokens}, but the language tower has '
                f'{self.num_positions} positions'
            )

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> TowerFeatures:
        """Encode token ids.

        Args:
            input_ids: (B, L) int64.
            attention_mask: (B, L) int64, 1 = token, 0 = padding, on the right.

        Returns:
            Tokens (B, L, C), without taps; ``inputs`` are the embedding output.
        """
        output = self.model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            output_hidden_states=True,
            return_dict=True,
        )
        return TowerFeatures(
            tokens=output.last_hidden_state,
            mask=attention_mask == 0,
            inputs=output.hidden_states[0],
        )
