"""A language encoder of transformers as a tower."""

from mmdet.registry import MODELS
from torch import Tensor

from ...structures import TowerFeatures
from .base_transformers_tower import BaseTransformersTower


@MODELS.register_module()
class TransformersTower(BaseTransformersTower):
    """Text encoder of the transformers library, see :class:`BaseTransformersTower`.

    BERT, RoBERTa, MiniLM (a BERT), CLIP's text encoder, and others that take token ids
    and an attention mask; the preprocessor's ``tokenizer`` must be the same model's.
    """

    modality = 'language'
    remedy = ' model.data_preprocessor.tokenizer=FOLDER'

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> TowerFeatures:
        """Encode token ids.

        Args:
            input_ids: (B, L) int64.
            attention_mask: (B, L) int64, 1 = token, 0 = padding, on the right.

        Returns:
            Tokens (B, L, C), without taps; ``input_tokens`` is the embedding output.
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
            input_tokens=output.hidden_states[0],
        )
